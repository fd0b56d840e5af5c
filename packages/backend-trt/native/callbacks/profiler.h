#pragma once
#include <string>

#include "provided.h"

namespace lowlat_trt {

struct LayerTime {
  std::string name;
  float ms;
};

/** IProfiler: collects what is reported until it is taken. */
struct Profiler : Provided {
  explicit Profiler(const Abi& abi);
  /** What was reported since, in that order. */
  std::vector<LayerTime> take();

 private:
  static void report(Profiler* self, const char* layer, float ms) noexcept;
  std::mutex mutex_;
  std::vector<LayerTime> times_;
};

}  // namespace lowlat_trt
