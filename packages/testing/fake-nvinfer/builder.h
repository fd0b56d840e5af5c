// What builds engines: the builder, its configurations, profiles and timing caches.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "network.h"
#include "plan.h"

namespace fake_nvinfer {

struct Builder : Body {
  static constexpr Class type = Class::Builder;
  int32_t max_threads = 1;
  /** Networks and configurations that it made and that are alive. */
  int children = 0;
  /** They end with it. */
  std::vector<struct Profile*> profiles;
  ~Builder() override;
};

struct Profile : Body {
  static constexpr Class type = Class::OptimizationProfile;
  ProfileRanges ranges;
  float extra_memory = 0;
};

/** Every input has min, opt and max, of one rank, in this order. */
bool is_valid(const ProfileRanges& ranges);

struct TimingCache : Body {
  static constexpr Class type = Class::TimingCache;
  Timings timings;
  /** Builders that it was given to: it has to outlive them. */
  std::vector<Weak<Builder>> builders;
  ~TimingCache() override;
};

struct BuilderConfig : Body {
  static constexpr Class type = Class::BuilderConfig;
  Weak<Builder> builder;
  uint32_t flags = 0;
  int32_t timing_iterations = 1, optimization_level = 3, hardware = 0, tiling = 0, max_aux_streams = -1, max_tactics = -1;
  int32_t capability = 0, platform = 0;
  int64_t l2_limit = -1;
  uint32_t tactic_sources = 0;
  Verbosity verbosity = Verbosity::layer_names_only;
  std::map<int32_t, size_t> memory_pools;
  std::map<int32_t, bool> preview_features;
  std::vector<ProfileRanges> profiles;
  /** Of the caller, who destroys it after the build; null: none. */
  Weak<TimingCache> cache;
  std::vector<std::string> plugins;
  void* progress = nullptr;
  void* profile_stream = nullptr;
  BuilderConfig();
  ~BuilderConfig() override;
  /** Is a flag set that this version has? */
  bool has(const char* flag) const;
  void reset();
};

/** The plan of an engine; empty where it was not to be: that has been reported then. */
std::string build(Builder& builder, Network& network, BuilderConfig& config);

}  // namespace fake_nvinfer
