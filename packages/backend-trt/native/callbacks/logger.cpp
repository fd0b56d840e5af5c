#include "logger.h"

namespace lowlat_trt {

const void* const* Logger::make_vtable(const Abi& abi) {
  return abi.vtable(Class::Logger, {provide<Method::Logger_log>(log)});
}

void Logger::send_to(std::shared_ptr<LogSink> sink) {
  const std::lock_guard<std::mutex> lock(mutex_);
  sink_.swap(sink);
}

void Logger::log(Logger* self, int32_t severity, const char* text) noexcept {
  std::shared_ptr<LogSink> sink;
  {
    const std::lock_guard<std::mutex> lock(self->mutex_);
    sink = self->sink_;
  }
  if (sink) sink->add(static_cast<Severity>(severity), text);
}

}  // namespace lowlat_trt
