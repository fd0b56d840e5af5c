#pragma once
#include "../log.h"
#include "provided.h"

namespace lowlat_trt {

/** ILogger: called from any thread, at any time, also after what it was made for has ended. */
struct Logger : Provided {
  static const void* const* make_vtable(const Abi& abi);
  void send_to(std::shared_ptr<LogSink> sink);
  void forget() { send_to(nullptr); }

 private:
  static void log(Logger* self, int32_t severity, const char* text) noexcept;
  std::mutex mutex_;
  std::shared_ptr<LogSink> sink_;
};

}  // namespace lowlat_trt
