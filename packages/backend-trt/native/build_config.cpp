#include "build_config.h"

#include <algorithm>

#include "parsing.h"

namespace lowlat_trt {

namespace {

std::vector<Text> pointers(const std::vector<std::string>& texts) {
  std::vector<Text> result;
  for (const std::string& text : texts) result.push_back(text.c_str());
  return result;
}

}  // namespace

BuildConfig::BuildConfig(const Abi& abi, void* builder, ErrorRecorder& recorder, const LogSink& sink)
    : abi_(abi), builder_(builder), recorder_(recorder), sink_(sink), config_(abi.call(calls::Builder_createBuilderConfig, builder)) {
  if (!config_) throw refusal("BUILD_FAILED", "TensorRT creates no builder configuration", abi, recorder, sink);
}

void BuildConfig::set(const BuildRequest& request, const std::vector<std::string>& used_plugins) {
  // All at once: what is not named is off, also what is on by default.
  apply(calls::BuilderConfig_setFlags, flag_bits(abi_, "BuilderFlag", request.flags));
  for (const auto& [pool, bytes] : request.memory_pools)
    apply(calls::BuilderConfig_setMemoryPoolLimit, abi_.value("MemoryPoolType", pool), bytes);
  set_choices(request);
  set_plugins(request, used_plugins);
  for (size_t index = 0; index < request.profiles.size(); index++) add_profile(request.profiles[index], index);
}

void BuildConfig::set_choices(const BuildRequest& request) {
  if (request.optimization_level) apply(calls::BuilderConfig_setBuilderOptimizationLevel, *request.optimization_level);
  if (request.max_aux_streams) apply(calls::BuilderConfig_setMaxAuxStreams, *request.max_aux_streams);
  if (request.average_timing_iterations)
    apply(calls::BuilderConfig_setAvgTimingIterations, *request.average_timing_iterations);
  if (request.hardware_compatibility)
    apply(calls::BuilderConfig_setHardwareCompatibilityLevel, abi_.value("HardwareCompatibilityLevel", *request.hardware_compatibility));
  if (request.profiling_verbosity)
    apply(calls::BuilderConfig_setProfilingVerbosity, abi_.value("ProfilingVerbosity", *request.profiling_verbosity));
  if (request.runtime_platform)
    apply(calls::BuilderConfig_setRuntimePlatform, abi_.value("RuntimePlatform", *request.runtime_platform));
  for (const auto& [feature, on] : request.preview_features)
    apply(calls::BuilderConfig_setPreviewFeature, abi_.value("PreviewFeature", feature), on);
  if (request.tactic_sources)
    accept(abi_.call(calls::BuilderConfig_setTacticSources, get(), flag_bits(abi_, "TacticSource", *request.tactic_sources)),
           "setTacticSources");
  if (request.tiling_optimization_level)
    accept(abi_.call(calls::BuilderConfig_setTilingOptimizationLevel, get(),
                     abi_.value("TilingOptimizationLevel", *request.tiling_optimization_level)),
           "setTilingOptimizationLevel");
}

void BuildConfig::set_plugins(const BuildRequest& request, const std::vector<std::string>& used) {
  std::vector<std::string> paths = request.plugin_libraries;
  // Plans for other versions carry the plugins that the parser chose.
  if (std::count(request.flags.begin(), request.flags.end(), "VERSION_COMPATIBLE")) paths.insert(paths.end(), used.begin(), used.end());
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  if (paths.empty()) return;
  apply(calls::BuilderConfig_setPluginsToSerialize, pointers(paths).data(), static_cast<int32_t>(paths.size()));
}

bool BuildConfig::attach_timing_cache(const std::optional<Source>& bytes, Owned& owner) {
  if (bytes) {
    const SourceBytes given(*bytes);
    if (given.size() > 0 && attach(owner, given.data(), given.size())) return true;
  }
  accept(attach(owner, nullptr, 0), "createTimingCache");
  return !bytes;
}

bool BuildConfig::attach(Owned& owner, const void* bytes, size_t size) {
  owner = Owned(abi_.call(calls::BuilderConfig_createTimingCache, get(), bytes, size));
  return owner && abi_.call(calls::BuilderConfig_setTimingCache, get(), owner.get(), false);
}

HostMemory BuildConfig::timing_cache() const {
  const void* cache = abi_.call(calls::BuilderConfig_getTimingCache, get());
  return cache ? HostMemory(abi_, abi_.call(calls::TimingCache_serialize, cache)) : HostMemory();
}

void BuildConfig::add_profile(const std::vector<ProfileRange>& ranges, size_t index) {
  // The builder owns its profiles.
  void* profile = abi_.call(calls::Builder_createOptimizationProfile, builder_);
  accept(profile != nullptr, "createOptimizationProfile");
  for (const ProfileRange& range : ranges) set_range(profile, range, index);
  if (!abi_.call(calls::OptimizationProfile_isValid, profile)) refuse_profile("", index);
  if (abi_.call(calls::BuilderConfig_addOptimizationProfile, get(), profile) < 0) refuse_profile("", index);
}

void BuildConfig::set_range(void* profile, const ProfileRange& range, size_t index) {
  const std::pair<const char*, const std::vector<int64_t>*> parts[] = {{"MIN", &range.min}, {"OPT", &range.opt}, {"MAX", &range.max}};
  for (const auto& [selector, numbers] : parts) {
    const int32_t select = abi_.value("OptProfileSelector", selector);
    const auto count = static_cast<int32_t>(numbers->size());
    bool accepted = false;
    if (!range.values) {
      Dims dims{count, {}};
      std::copy(numbers->begin(), numbers->end(), dims.extents);
      accepted = abi_.call(calls::OptimizationProfile_setDimensions, profile, range.input.c_str(), select, dims);
    } else if (abi_.has(calls::OptimizationProfile_setShapeValuesV2)) {
      accepted = abi_.call(calls::OptimizationProfile_setShapeValuesV2, profile, range.input.c_str(), select, numbers->data(), count);
    } else {
      const bool fit = std::all_of(numbers->begin(), numbers->end(), [](int64_t value) { return value == static_cast<int32_t>(value); });
      const std::vector<int32_t> narrow(numbers->begin(), numbers->end());
      accepted = fit && abi_.call(calls::OptimizationProfile_setShapeValues, profile, range.input.c_str(), select, narrow.data(), count);
    }
    if (!accepted) refuse_profile(range.input, index);
  }
}

void BuildConfig::refuse_profile(const std::string& input, size_t index) const {
  std::string message = "TensorRT refuses profile " + std::to_string(index);
  if (!input.empty()) message += " for input '" + input + "'";
  Failure failure = refusal("PROFILE_INVALID", message, abi_, recorder_, sink_);
  failure.with("profile", static_cast<double>(index));
  if (!input.empty()) failure.with("input", input);
  throw failure;
}

void BuildConfig::accept(bool accepted, const char* call) const {
  if (!accepted) throw refused(call, abi_, recorder_, sink_);
}

}  // namespace lowlat_trt
