#include "profiler.h"

namespace lowlat_trt {

Profiler::Profiler(const Abi& abi) {
  vtable = abi.vtable(Class::Profiler, {provide<Method::Profiler_reportLayerTime>(report)});
}

std::vector<LayerTime> Profiler::take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<LayerTime> times;
  times.swap(times_);
  return times;
}

void Profiler::report(Profiler* self, const char* layer, float ms) noexcept {
  try {
    const std::lock_guard<std::mutex> lock(self->mutex_);
    self->times_.push_back({layer ? layer : "", ms});
  } catch (const std::exception&) {
    // Out of memory: a layer's time is missing.
  }
}

}  // namespace lowlat_trt
