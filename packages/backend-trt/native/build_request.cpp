#include "build_request.h"

#include "events.h"

namespace lowlat_trt {

namespace {

std::vector<std::string> optional_texts(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  return is_given(value) ? texts_of(value, name) : std::vector<std::string>{};
}

std::optional<int32_t> optional_int(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  return is_given(value) ? std::optional<int32_t>(int32_of(value, name)) : std::nullopt;
}

std::optional<std::string> optional_text(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  return is_given(value) ? std::optional<std::string>(text_of(value, name)) : std::nullopt;
}

/** Calls with the name and the value of each own property. */
template <class Visit>
void for_each(const Napi::Object& object, const std::string& argument, const Visit& visit) {
  const Napi::Array names = object.GetPropertyNames();
  for (uint32_t index = 0; index < names.Length(); index++) {
    const std::string name = text_of(names.Get(index), argument);
    visit(name, object.Get(name), argument + "." + name);
  }
}

std::vector<ProfileRange> profile_of(const Napi::Value& value, const std::string& argument) {
  std::vector<ProfileRange> ranges;
  for_each(object_of(value, argument), argument, [&](const std::string& name, const Napi::Value& given, const std::string& path) {
    const Napi::Object range = object_of(given, path);
    ProfileRange read{name, false, {}, {}, {}};
    read.values = is_given(range.Get("values")) && flag_of(range.Get("values"), path + ".values");
    read.min = integers_of(range.Get("min"), path + ".min");
    read.opt = integers_of(range.Get("opt"), path + ".opt");
    read.max = integers_of(range.Get("max"), path + ".max");
    if (!read.values) dims_of(range.Get("max"), path + ".max");
    if (read.opt.size() != read.min.size() || read.max.size() != read.min.size())
      throw invalid(path, "min, opt and max of the same length");
    ranges.push_back(std::move(read));
  });
  return ranges;
}

}  // namespace

BuildRequest read_build_request(const Napi::Value& value, std::vector<Napi::ObjectReference>& retained) {
  const Napi::Object object = object_of(value, "request");
  BuildRequest request;
  request.model = source_of(object.Get("model"), "model", retained);
  request.cuda_context = pointer_of(object.Get("cudaContext"), "cudaContext");
  request.strongly_typed = flag_of(object.Get("stronglyTyped"), "stronglyTyped");
  request.flags = optional_texts(object, "flags");
  request.network_flags = optional_texts(object, "networkFlags");
  request.parser_flags = optional_texts(object, "parserFlags");
  request.plugin_libraries = optional_texts(object, "pluginLibraries");
  request.refittable_weights = optional_texts(object, "refittableWeights");
  if (is_given(object.Get("memoryPools")))
    for_each(object_of(object.Get("memoryPools"), "memoryPools"), "memoryPools",
             [&](const std::string& name, const Napi::Value& bytes, const std::string& path) {
               request.memory_pools[name] = size_of(bytes, path);
             });
  request.optimization_level = optional_int(object, "optimizationLevel");
  request.max_aux_streams = optional_int(object, "maxAuxStreams");
  request.average_timing_iterations = optional_int(object, "avgTimingIterations");
  request.hardware_compatibility = optional_text(object, "hardwareCompatibility");
  request.profiling_verbosity = optional_text(object, "profilingVerbosity");
  request.tiling_optimization_level = optional_text(object, "tilingOptimizationLevel");
  request.runtime_platform = optional_text(object, "runtimePlatform");
  if (is_given(object.Get("tacticSources"))) request.tactic_sources = texts_of(object.Get("tacticSources"), "tacticSources");
  if (is_given(object.Get("previewFeatures")))
    for_each(object_of(object.Get("previewFeatures"), "previewFeatures"), "previewFeatures",
             [&](const std::string& name, const Napi::Value& on, const std::string& path) {
               request.preview_features[name] = flag_of(on, path);
             });
  if (is_given(object.Get("profiles"))) {
    if (!object.Get("profiles").IsArray()) throw invalid("profiles", "an array");
    const Napi::Array profiles = object.Get("profiles").As<Napi::Array>();
    for (uint32_t index = 0; index < profiles.Length(); index++)
      request.profiles.push_back(profile_of(profiles.Get(index), "profiles[" + std::to_string(index) + "]"));
  }
  request.use_timing_cache = flag_of(object.Get("useTimingCache"), "useTimingCache");
  if (is_given(object.Get("timingCache"))) request.timing_cache = source_of(object.Get("timingCache"), "timingCache", retained);
  if (is_given(object.Get("logSeverity"))) request.threshold = severity_of(text_of(object.Get("logSeverity"), "logSeverity"));
  return request;
}

}  // namespace lowlat_trt
