#include "builder.h"

#include <set>

#include "callbacks.h"
#include "control.h"
#include "cuda.h"
#include "host_memory.h"

namespace fake_nvinfer {
namespace {

bool has_network_flag(uint32_t flags, const char* name) {
  const std::optional<int32_t> flag = enumerator("NetworkDefinitionCreationFlag", name);
  return flag && flags >> *flag & 1;
}

}  // namespace

Builder::~Builder() {
  if (children) note_violation("a builder was destroyed before " + std::to_string(children) + " of its networks and configurations");
  destroy_all(profiles);
}

FAKE_METHOD(Builder, createBuilderConfig, void*, (Builder & self)) {
  auto* config = make<BuilderConfig>();
  config->builder = &self;
  config->logger = self.logger;
  self.children++;
  return handle_of(*config);
}

FAKE_METHOD(Builder, createNetworkV2, void*, (Builder & self, uint32_t flags)) {
  for (int32_t bit = 0; bit < 32; bit++) {
    if (!(flags >> bit & 1) || lowlat_trt::enumName(library_version(), "NetworkDefinitionCreationFlag", bit)) continue;
    report(self, ErrorCode::invalid_argument, "Builder.createNetworkV2", "there is no flag " + std::to_string(bit));
    return nullptr;
  }
  auto* network = make<Network>();
  network->builder = &self;
  network->logger = self.logger;
  network->flags = flags;
  // Since 11 there is no other way.
  network->strongly_typed = library_version() >= 110000 || has_network_flag(flags, "STRONGLY_TYPED");
  self.children++;
  return handle_of(*network);
}

FAKE_METHOD(Builder, createOptimizationProfile, void*, (Builder & self)) {
  auto* profile = make<Profile>();
  profile->logger = self.logger;
  self.profiles.push_back(profile);
  return handle_of(*profile);
}

FAKE_METHOD(Builder, buildSerializedNetwork, void*, (Builder & self, void* network, void* config)) {
  std::string plan = build(self, body_of<Network>(network), body_of<BuilderConfig>(config));
  return plan.empty() ? nullptr : publish_bytes(std::move(plan));
}

FAKE_METHOD(Builder, buildSerializedNetworkToStream, bool, (Builder & self, void* network, void* config, void* writer)) {
  if (!is_interface(self, Class::StreamWriter, writer)) return false;
  const std::string plan = build(self, body_of<Network>(network), body_of<BuilderConfig>(config));
  const auto size = static_cast<int64_t>(plan.size());
  if (!size) return false;
  // In pieces, as a large engine comes.
  constexpr int64_t piece = 64 << 10;
  for (int64_t at = 0; at < size; at += piece) {
    const int64_t bytes = std::min(piece, size - at);
    if (call_back<int64_t>(Method::StreamWriter_write, writer, plan.data() + at, bytes) == bytes) continue;
    report(self, ErrorCode::failed_execution, "Builder.buildSerializedNetworkToStream", "the writer did not take all bytes");
    return false;
  }
  return true;
}

FAKE_METHOD(Builder, isNetworkSupported, bool, (Builder&, void* network, void*)) {
  return !body_of<Network>(network).graph.outputs.empty();
}
FAKE_METHOD(Builder, platformHasFastFp16, bool, (Builder&)) { return true; }
FAKE_METHOD(Builder, platformHasFastInt8, bool, (Builder&)) { return true; }
FAKE_METHOD(Builder, platformHasTf32, bool, (Builder&)) { return true; }
FAKE_METHOD(Builder, getMaxDLABatchSize, int32_t, (Builder&)) { return 0; }
FAKE_METHOD(Builder, getNbDLACores, int32_t, (Builder&)) { return 0; }
FAKE_METHOD(Builder, setErrorRecorder, void, (Builder & self, void* recorder)) { set_recorder(self, recorder); }
FAKE_METHOD(Builder, getErrorRecorder, void*, (Builder & self)) { return self.recorder; }
FAKE_METHOD(Builder, reset, void, (Builder&)) {}
FAKE_METHOD(Builder, getLogger, void*, (Builder & self)) { return self.logger; }
FAKE_METHOD(Builder, setMaxThreads, bool, (Builder & self, int32_t threads)) {
  if (threads < 1) return false;
  self.max_threads = threads;
  return true;
}
FAKE_METHOD(Builder, getMaxThreads, int32_t, (Builder & self)) { return self.max_threads; }

BuilderConfig::BuilderConfig() { reset(); }

/** The builder may have gone first. */
BuilderConfig::~BuilderConfig() {
  if (builder) builder->children--;
}

void BuilderConfig::reset() {
  flags = 1u << enumerator("BuilderFlag", "TF32").value_or(0);
  profiles.clear();
  memory_pools.clear();
  cache = nullptr;
  progress = nullptr;
}

bool BuilderConfig::has(const char* flag) const {
  const std::optional<int32_t> bit = enumerator("BuilderFlag", flag);
  return bit && flags >> *bit & 1;
}

namespace {

/** Reports a number that no enumerator of this version has. */
bool is_known(BuilderConfig& self, const char* method, const char* enumeration, int32_t value) {
  if (lowlat_trt::enumName(library_version(), enumeration, value)) return true;
  report(self, ErrorCode::invalid_argument, std::string("BuilderConfig.") + method,
         std::to_string(value) + " is no " + enumeration + " of this version");
  return false;
}

}  // namespace

FAKE_METHOD(BuilderConfig, setFlag, void, (BuilderConfig & self, int32_t flag)) {
  if (is_known(self, "setFlag", "BuilderFlag", flag)) self.flags |= 1u << flag;
}
FAKE_METHOD(BuilderConfig, clearFlag, void, (BuilderConfig & self, int32_t flag)) {
  if (is_known(self, "clearFlag", "BuilderFlag", flag)) self.flags &= ~(1u << flag);
}
FAKE_METHOD(BuilderConfig, getFlag, bool, (BuilderConfig & self, int32_t flag)) { return self.flags >> flag & 1; }
FAKE_METHOD(BuilderConfig, setFlags, void, (BuilderConfig & self, uint32_t flags)) {
  for (int32_t bit = 0; bit < 32; bit++)
    if (flags >> bit & 1 && !is_known(self, "setFlags", "BuilderFlag", bit)) return;
  self.flags = flags;
}
FAKE_METHOD(BuilderConfig, getFlags, uint32_t, (BuilderConfig & self)) { return self.flags; }
FAKE_METHOD(BuilderConfig, reset, void, (BuilderConfig & self)) { self.reset(); }
FAKE_METHOD(BuilderConfig, setAvgTimingIterations, void, (BuilderConfig & self, int32_t count)) { self.timing_iterations = count; }
FAKE_METHOD(BuilderConfig, getAvgTimingIterations, int32_t, (BuilderConfig & self)) { return self.timing_iterations; }
FAKE_METHOD(BuilderConfig, setEngineCapability, void, (BuilderConfig & self, int32_t value)) {
  if (is_known(self, "setEngineCapability", "EngineCapability", value)) self.capability = value;
}
FAKE_METHOD(BuilderConfig, getEngineCapability, int32_t, (BuilderConfig & self)) { return self.capability; }
FAKE_METHOD(BuilderConfig, setProfileStream, void, (BuilderConfig & self, void* stream)) { self.profile_stream = stream; }
FAKE_METHOD(BuilderConfig, getProfileStream, void*, (BuilderConfig & self)) { return self.profile_stream; }
FAKE_METHOD(BuilderConfig, setProfilingVerbosity, void, (BuilderConfig & self, int32_t value)) {
  if (is_known(self, "setProfilingVerbosity", "ProfilingVerbosity", value)) self.verbosity = static_cast<Verbosity>(value);
}
FAKE_METHOD(BuilderConfig, getProfilingVerbosity, Verbosity, (BuilderConfig & self)) { return self.verbosity; }
FAKE_METHOD(BuilderConfig, setTacticSources, bool, (BuilderConfig & self, uint32_t sources)) {
  for (int32_t bit = 0; bit < 32; bit++)
    if (sources >> bit & 1 && !is_known(self, "setTacticSources", "TacticSource", bit)) return false;
  self.tactic_sources = sources;
  return true;
}
FAKE_METHOD(BuilderConfig, getTacticSources, uint32_t, (BuilderConfig & self)) { return self.tactic_sources; }
FAKE_METHOD(BuilderConfig, setMemoryPoolLimit, void, (BuilderConfig & self, int32_t pool, size_t bytes)) {
  if (is_known(self, "setMemoryPoolLimit", "MemoryPoolType", pool)) self.memory_pools[pool] = bytes;
}
FAKE_METHOD(BuilderConfig, getMemoryPoolLimit, size_t, (BuilderConfig & self, int32_t pool)) {
  const auto found = self.memory_pools.find(pool);
  return found == self.memory_pools.end() ? 0 : found->second;
}
FAKE_METHOD(BuilderConfig, setPreviewFeature, void, (BuilderConfig & self, int32_t feature, bool on)) {
  if (is_known(self, "setPreviewFeature", "PreviewFeature", feature)) self.preview_features[feature] = on;
}
FAKE_METHOD(BuilderConfig, getPreviewFeature, bool, (BuilderConfig & self, int32_t feature)) { return self.preview_features[feature]; }
FAKE_METHOD(BuilderConfig, setBuilderOptimizationLevel, void, (BuilderConfig & self, int32_t level)) {
  if (level < 0) report(self, ErrorCode::invalid_argument, "BuilderConfig.setBuilderOptimizationLevel", "the level is negative");
  else self.optimization_level = std::min(level, 5);
}
FAKE_METHOD(BuilderConfig, getBuilderOptimizationLevel, int32_t, (BuilderConfig & self)) { return self.optimization_level; }
FAKE_METHOD(BuilderConfig, setHardwareCompatibilityLevel, void, (BuilderConfig & self, int32_t level)) {
  if (is_known(self, "setHardwareCompatibilityLevel", "HardwareCompatibilityLevel", level)) self.hardware = level;
}
FAKE_METHOD(BuilderConfig, getHardwareCompatibilityLevel, int32_t, (BuilderConfig & self)) { return self.hardware; }
FAKE_METHOD(BuilderConfig, setRuntimePlatform, void, (BuilderConfig & self, int32_t platform)) {
  if (is_known(self, "setRuntimePlatform", "RuntimePlatform", platform)) self.platform = platform;
}
FAKE_METHOD(BuilderConfig, getRuntimePlatform, int32_t, (BuilderConfig & self)) { return self.platform; }
FAKE_METHOD(BuilderConfig, setPluginsToSerialize, void, (BuilderConfig & self, const char* const* paths, int32_t count)) {
  const std::set<std::string> distinct(paths, paths + count);
  if (distinct.size() != static_cast<size_t>(count))
    report(self, ErrorCode::invalid_argument, "BuilderConfig.setPluginsToSerialize", "a plugin library is named twice");
  else
    self.plugins.assign(paths, paths + count);
}
FAKE_METHOD(BuilderConfig, getPluginToSerialize, const char*, (BuilderConfig & self, int32_t index)) {
  return self.plugins.at(static_cast<size_t>(index)).c_str();
}
FAKE_METHOD(BuilderConfig, getNbPluginsToSerialize, int32_t, (BuilderConfig & self)) { return static_cast<int32_t>(self.plugins.size()); }
/** Gives nothing in 10. */
FAKE_METHOD(BuilderConfig, setMaxAuxStreams, bool, (BuilderConfig & self, int32_t streams)) {
  self.max_aux_streams = streams;
  return true;
}
FAKE_METHOD(BuilderConfig, getMaxAuxStreams, int32_t, (BuilderConfig & self)) { return self.max_aux_streams; }
FAKE_METHOD(BuilderConfig, setMaxNbTactics, void, (BuilderConfig & self, int32_t count)) { self.max_tactics = count; }
FAKE_METHOD(BuilderConfig, getMaxNbTactics, int32_t, (BuilderConfig & self)) { return self.max_tactics; }
FAKE_METHOD(BuilderConfig, setTilingOptimizationLevel, bool, (BuilderConfig & self, int32_t level)) {
  if (!is_known(self, "setTilingOptimizationLevel", "TilingOptimizationLevel", level)) return false;
  self.tiling = level;
  return true;
}
FAKE_METHOD(BuilderConfig, getTilingOptimizationLevel, int32_t, (BuilderConfig & self)) { return self.tiling; }
FAKE_METHOD(BuilderConfig, setL2LimitForTiling, bool, (BuilderConfig & self, int64_t bytes)) {
  self.l2_limit = bytes;
  return bytes >= 0;
}
FAKE_METHOD(BuilderConfig, getL2LimitForTiling, int64_t, (BuilderConfig & self)) { return self.l2_limit; }
FAKE_METHOD(BuilderConfig, setProgressMonitor, void, (BuilderConfig & self, void* monitor)) {
  if (!monitor || is_interface(self, Class::ProgressMonitor, monitor)) self.progress = monitor;
}
FAKE_METHOD(BuilderConfig, getProgressMonitor, void*, (BuilderConfig & self)) { return self.progress; }

FAKE_METHOD(BuilderConfig, addOptimizationProfile, int32_t, (BuilderConfig & self, void* profile)) {
  const ProfileRanges& ranges = body_of<Profile>(profile).ranges;
  if (!is_valid(ranges)) {
    report(self, ErrorCode::invalid_argument, "BuilderConfig.addOptimizationProfile", "the profile lacks values or is not in order");
    return -1;
  }
  self.profiles.push_back(ranges);
  return static_cast<int32_t>(self.profiles.size()) - 1;
}
FAKE_METHOD(BuilderConfig, getNbOptimizationProfiles, int32_t, (BuilderConfig & self)) { return static_cast<int32_t>(self.profiles.size()); }

FAKE_METHOD(BuilderConfig, createTimingCache, void*, (BuilderConfig & self, const void* blob, size_t size)) {
  Timings timings;
  timings.version = library_version();
  timings.gpu = gpu_name();
  if (size) {
    std::string reason;
    const std::optional<Timings> read = read_timings(std::string(static_cast<const char*>(blob), size), reason);
    if (!read) {
      report(self, ErrorCode::invalid_argument, "BuilderConfig.createTimingCache", reason);
      return nullptr;
    }
    timings = *read;
  }
  auto* cache = make<TimingCache>();
  cache->logger = self.logger;
  cache->timings = std::move(timings);
  return handle_of(*cache);
}

TimingCache::~TimingCache() {
  for (const Weak<Builder>& builder : builders) {
    if (!builder) continue;
    note_violation("a timing cache was destroyed before a builder that uses it");
    return;
  }
}

FAKE_METHOD(BuilderConfig, setTimingCache, bool, (BuilderConfig & self, void* handle, bool ignore_mismatch)) {
  auto& cache = body_of<TimingCache>(handle);
  if (cache.timings.gpu != gpu_name() && !ignore_mismatch) {
    report(self, ErrorCode::invalid_argument, "BuilderConfig.setTimingCache", "the cache was made on " + cache.timings.gpu);
    return false;
  }
  self.cache = &cache;
  cache.builders.push_back(self.builder);
  return true;
}
FAKE_METHOD(BuilderConfig, getTimingCache, void*, (BuilderConfig & self)) {
  return self.cache ? handle_of(*self.cache) : nullptr;
}

FAKE_METHOD(TimingCache, serialize, void*, (TimingCache & self)) { return publish_bytes(write_timings(self.timings)); }
FAKE_METHOD(TimingCache, combine, bool, (TimingCache & self, void* other, bool ignore_mismatch)) {
  const Timings& timings = body_of<TimingCache>(other).timings;
  if (timings.gpu != self.timings.gpu && !ignore_mismatch) return false;
  self.timings.times.insert(timings.times.begin(), timings.times.end());
  return true;
}
FAKE_METHOD(TimingCache, reset, bool, (TimingCache & self)) {
  self.timings.times.clear();
  return true;
}

}  // namespace fake_nvinfer
