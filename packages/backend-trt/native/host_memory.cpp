#include "host_memory.h"

#include <cstring>

namespace lowlat_trt {

HostMemory::HostMemory(const Abi& abi, void* object) : object_(object) {
  if (!object) return;
  data_ = abi.call(calls::HostMemory_data, object);
  size_ = abi.call(calls::HostMemory_size, object);
}

Napi::Value HostMemory::to_array(Napi::Env env) {
  if (!object_) return env.Undefined();
  napi_value buffer = nullptr;
  const napi_status status = napi_create_external_arraybuffer(
      env, data_, size_, [](napi_env, void*, void* object) { destroyPublic(object); }, object_.get(), &buffer);
  if (status == napi_ok) {
    object_.release();
    return Napi::Uint8Array::New(env, size_, Napi::ArrayBuffer(env, buffer), 0);
  }
  // Where JavaScript's memory is caged (Electron) it has to be copied.
  Napi::Uint8Array array = Napi::Uint8Array::New(env, size_);
  std::memcpy(array.Data(), data_, size_);
  object_.reset();
  return array;
}

}  // namespace lowlat_trt
