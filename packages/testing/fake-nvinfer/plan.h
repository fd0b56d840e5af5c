// Serialised engines and timing caches: what they hold, and whose they are.
#pragma once
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "graph.h"

namespace fake_nvinfer {

/** Of one profile, by input: min, opt, max. */
struct ProfileRanges {
  std::map<std::string, std::vector<Shape>> shapes;
  std::map<std::string, std::vector<std::vector<int64_t>>> values;
};

struct Plan {
  int32_t version = 0;
  std::string gpu;
  /** HardwareCompatibilityLevel; 0: this GPU only. */
  int32_t hardware = 0;
  bool version_compatible = false;

  Graph graph;
  std::vector<ProfileRanges> profiles;
  bool refittable = false, weights_excluded = false, weight_streaming = false;
  /** Only these weights can be replaced, where `individual`. */
  bool individual = false;
  std::set<std::string> marked_refittable;
  /** By weights, where only the same values may replace them. */
  std::map<std::string, uint64_t> identical;
  Verbosity verbosity = Verbosity::layer_names_only;
  int32_t aux_streams = 0;
  uint64_t tactic_sources = 0;
  /** Plugin libraries: path and bytes. */
  std::vector<std::pair<std::string, std::string>> plugins;
};

bool is_refittable(const Plan& plan, int tensor);

std::string write_plan(const Plan& plan, bool with_weights);

/** Empty for a plan that this library cannot use here; `reason` says why then. */
std::optional<Plan> read_plan(const std::string& bytes, bool host_code_allowed, std::string& reason);

/** Milliseconds by what was timed. */
struct Timings {
  int32_t version = 0;
  std::string gpu;
  std::map<uint64_t, float> times;
};

std::string write_timings(const Timings& timings);
std::optional<Timings> read_timings(const std::string& bytes, std::string& reason);

}  // namespace fake_nvinfer
