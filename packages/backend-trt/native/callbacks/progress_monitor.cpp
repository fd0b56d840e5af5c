#include "progress_monitor.h"

namespace lowlat_trt {

namespace {

void push(EventChannel* events, Event::Kind kind, const char* phase, const char* parent, int32_t number) noexcept {
  if (!events) return;
  try {
    Event event{kind, phase ? phase : ""};
    event.parent = parent ? parent : "";
    event.number = number;
    events->push(std::move(event));
  } catch (const std::exception&) {
    // Out of memory: a notice is lost, the build goes on.
  }
}

}  // namespace

ProgressMonitor::ProgressMonitor(const Abi& abi, std::shared_ptr<EventChannel> events, const std::atomic<bool>& cancelled)
    : events_(std::move(events)), cancelled_(cancelled) {
  vtable = abi.vtable(Class::ProgressMonitor, {provide<Method::ProgressMonitor_phaseStart>(phase_start),
                                               provide<Method::ProgressMonitor_stepComplete>(step_complete),
                                               provide<Method::ProgressMonitor_phaseFinish>(phase_finish)});
}

void ProgressMonitor::phase_start(ProgressMonitor* self, const char* phase, const char* parent, int32_t steps) noexcept {
  push(self->events_.get(), Event::Kind::phase_start, phase, parent, steps);
}

bool ProgressMonitor::step_complete(ProgressMonitor* self, const char* phase, int32_t step) noexcept {
  push(self->events_.get(), Event::Kind::step, phase, nullptr, step);
  return !self->cancelled_;
}

void ProgressMonitor::phase_finish(ProgressMonitor* self, const char* phase) noexcept {
  push(self->events_.get(), Event::Kind::phase_end, phase, nullptr, 0);
}

}  // namespace lowlat_trt
