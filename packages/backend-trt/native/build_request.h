// What is to be built.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "values.h"

namespace lowlat_trt {

/** Of one input: its dimensions, or of a shape tensor its values. */
struct ProfileRange {
  std::string input;
  bool values = false;
  std::vector<int64_t> min, opt, max;
};

struct BuildRequest {
  Source model;
  void* cuda_context = nullptr;
  bool strongly_typed = true;
  std::vector<std::string> flags, network_flags, parser_flags, plugin_libraries, refittable_weights;
  std::map<std::string, uint64_t> memory_pools;
  std::optional<int32_t> optimization_level, max_aux_streams, average_timing_iterations;
  std::optional<std::string> hardware_compatibility, profiling_verbosity, tiling_optimization_level, runtime_platform;
  std::optional<std::vector<std::string>> tactic_sources;
  std::map<std::string, bool> preview_features;
  std::vector<std::vector<ProfileRange>> profiles;
  bool use_timing_cache = false;
  std::optional<Source> timing_cache;
  Severity threshold = Severity::info;
};

/** @throws Failure INVALID_ARGUMENT. */
BuildRequest read_build_request(const Napi::Value& value, std::vector<Napi::ObjectReference>& retained);

}  // namespace lowlat_trt
