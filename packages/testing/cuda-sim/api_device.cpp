// Driver calls about the library, devices and contexts.
#include <algorithm>
#include <cstring>

#include "attributes.h"
#include "driver.h"

using namespace cuda_sim;

CUDA_SIM_API CUresult cuInit(unsigned flags) {
  CUDA_SIM_CALL(cuInit, needs_nothing);
  if (flags) return CUDA_ERROR_INVALID_VALUE;
  if (driver().devices < 1) return CUDA_ERROR_NO_DEVICE;
  driver().initialized = true;
  return call.result();
}

CUDA_SIM_API CUresult cuDriverGetVersion(int* version) {
  CUDA_SIM_CALL(cuDriverGetVersion, needs_nothing);
  if (!version) return CUDA_ERROR_INVALID_VALUE;
  *version = 13000;
  return call.result();
}

CUDA_SIM_API CUresult cuGetErrorName(CUresult error, const char** name) {
  if (!name) return CUDA_ERROR_INVALID_VALUE;
  switch (static_cast<int>(error)) {
#define CUDA_SIM_NAME(value, number, text) \
  case number: *name = #value; return CUDA_SUCCESS;
    CUDA_SIM_STATUSES(CUDA_SIM_NAME)
  }
  *name = nullptr;
  return CUDA_ERROR_INVALID_VALUE;
}

CUDA_SIM_API CUresult cuGetErrorString(CUresult error, const char** text_of_error) {
  if (!text_of_error) return CUDA_ERROR_INVALID_VALUE;
  switch (static_cast<int>(error)) {
#define CUDA_SIM_TEXT(value, number, text) \
  case number: *text_of_error = text; return CUDA_SUCCESS;
    CUDA_SIM_STATUSES(CUDA_SIM_TEXT)
  }
  *text_of_error = nullptr;
  return CUDA_ERROR_INVALID_VALUE;
}

CUDA_SIM_API CUresult cuDeviceGetCount(int* count) {
  CUDA_SIM_CALL(cuDeviceGetCount, needs_init);
  if (!count) return CUDA_ERROR_INVALID_VALUE;
  *count = driver().devices;
  return call.result();
}

static bool is_device(int device) { return device >= 0 && device < driver().devices; }

CUDA_SIM_API CUresult cuDeviceGet(int* device, int ordinal) {
  CUDA_SIM_CALL(cuDeviceGet, needs_init);
  if (!device) return CUDA_ERROR_INVALID_VALUE;
  if (!is_device(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return call.result();
}

CUDA_SIM_API CUresult cuDeviceGetName(char* name, int length, int device) {
  CUDA_SIM_CALL(cuDeviceGetName, needs_init);
  if (!name || length < 1) return CUDA_ERROR_INVALID_VALUE;
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  const std::string text = "cuda-sim " + std::to_string(driver().compute_major) + "." + std::to_string(driver().compute_minor);
  const size_t kept = std::min(text.size(), static_cast<size_t>(length) - 1);
  std::memcpy(name, text.data(), kept);
  name[kept] = 0;
  return call.result();
}

CUDA_SIM_API CUresult cuDeviceGetUuid_v2(unsigned char* uuid, int device) {
  CUDA_SIM_CALL(cuDeviceGetUuid_v2, needs_init);
  if (!uuid) return CUDA_ERROR_INVALID_VALUE;
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  std::memcpy(uuid, "lowlat-cuda-sim", 15);
  uuid[15] = static_cast<unsigned char>('0' + device);
  return call.result();
}

CUDA_SIM_API CUresult cuDeviceTotalMem_v2(size_t* bytes, int device) {
  CUDA_SIM_CALL(cuDeviceTotalMem_v2, needs_init);
  if (!bytes) return CUDA_ERROR_INVALID_VALUE;
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  *bytes = driver().memory_limit;
  return call.result();
}

CUDA_SIM_API CUresult cuDeviceGetAttribute(int* value, int attribute, int device) {
  CUDA_SIM_CALL(cuDeviceGetAttribute, needs_init);
  if (!value) return CUDA_ERROR_INVALID_VALUE;
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  const std::optional<int> found = device_attribute(attribute);
  if (!found) return CUDA_ERROR_INVALID_VALUE;
  *value = *found;
  return call.result();
}

CUDA_SIM_API CUresult cuDevicePrimaryCtxRetain(Context** context, int device) {
  CUDA_SIM_CALL(cuDevicePrimaryCtxRetain, needs_init);
  if (!context) return CUDA_ERROR_INVALID_VALUE;
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  Driver& d = driver();
  // One device at most has a context: several devices only exist to be counted.
  if (device) return CUDA_ERROR_DEVICE_UNAVAILABLE;
  if (!d.primary) {
    auto made = std::make_unique<Context>();
    made->legacy.context = made.get();
    made->legacy.legacy = true;
    d.primary = made.get();
    d.contexts.push_back(std::move(made));
  }
  d.primary->retained++;
  *context = d.primary;
  return CUDA_SUCCESS;
}

CUDA_SIM_API CUresult cuDevicePrimaryCtxRelease_v2(int device) {
  CUDA_SIM_CALL(cuDevicePrimaryCtxRelease_v2, needs_init | destroys);
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  Context* context = driver().primary;
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  if (--context->retained == 0) destroy_primary(call.lock());
  return call.result();
}

CUDA_SIM_API CUresult cuCtxSetCurrent(Context* context) {
  CUDA_SIM_CALL(cuCtxSetCurrent, needs_init);
  if (context && context != driver().primary) return CUDA_ERROR_INVALID_CONTEXT;
  set_current_context(context);
  return call.result();
}

CUDA_SIM_API CUresult cuCtxGetCurrent(Context** context) {
  CUDA_SIM_CALL(cuCtxGetCurrent, needs_init);
  if (!context) return CUDA_ERROR_INVALID_VALUE;
  *context = current_context();
  return call.result();
}

CUDA_SIM_API CUresult cuCtxSynchronize() {
  CUDA_SIM_CALL(cuCtxSynchronize, needs_context | unsafe_in_capture);
  finish_all(call.lock());
  check_memory(*call.context(), "at cuCtxSynchronize");
  return call.result();
}
