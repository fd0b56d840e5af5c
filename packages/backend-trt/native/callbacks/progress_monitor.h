#pragma once
#include <atomic>

#include "../events.h"
#include "provided.h"

namespace lowlat_trt {

/** IProgressMonitor: passes phases and steps on, and ends the build once it is cancelled. Called from any thread. */
struct ProgressMonitor : Provided {
  ProgressMonitor(const Abi& abi, std::shared_ptr<EventChannel> events, const std::atomic<bool>& cancelled);

 private:
  static void phase_start(ProgressMonitor* self, const char* phase, const char* parent, int32_t steps) noexcept;
  static bool step_complete(ProgressMonitor* self, const char* phase, int32_t step) noexcept;
  static void phase_finish(ProgressMonitor* self, const char* phase) noexcept;

  const std::shared_ptr<EventChannel> events_;
  const std::atomic<bool>& cancelled_;
};

}  // namespace lowlat_trt
