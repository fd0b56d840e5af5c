// TensorRT's bytes on their way to JavaScript.
#pragma once
#include <napi.h>

#include <memory>

#include "abi.h"

namespace lowlat_trt {

/** An IHostMemory; empty where there is none. */
class HostMemory {
 public:
  HostMemory() = default;
  HostMemory(const Abi& abi, void* object);
  explicit operator bool() const { return static_cast<bool>(object_); }
  size_t size() const { return size_; }

  /** Without a copy where the runtime allows that: the memory then lives as long as the array's buffer. Empty afterwards. */
  Napi::Value to_array(Napi::Env env);

 private:
  Owned object_;
  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace lowlat_trt
