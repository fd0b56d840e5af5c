#include "cuda.h"

#include "failure.h"

namespace lowlat_trt {

namespace {

constexpr int success = 0;
constexpr int out_of_memory = 2;
// CU_STREAM_CAPTURE_STATUS_NONE
constexpr int not_captured = 0;
// CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_MEMORYTYPE_DEVICE
constexpr int memory_type = 2;
constexpr unsigned device_memory = 2;

void check(const char* call, int result) {
  if (result == success) return;
  throw Failure{result == out_of_memory ? "OUT_OF_MEMORY" : "CUDA_FAILED",
                std::string(call) + " failed with CUresult " + std::to_string(result),
                {}}
      .with("call", std::string(call))
      .with("result", static_cast<double>(result));
}

}  // namespace

Cuda::Cuda(const std::string& path)
    : library_(DynamicLibrary::open("libcuda", {path})),
      set_current_(library_.symbol<int (*)(void*)>("cuCtxSetCurrent")),
      allocate_(library_.symbol<int (*)(CUdeviceptr*, size_t)>("cuMemAlloc_v2")),
      free_(library_.symbol<int (*)(CUdeviceptr)>("cuMemFree_v2")),
      is_capturing_(library_.symbol<int (*)(void*, int*)>("cuStreamIsCapturing")),
      pointer_attribute_(library_.optional<int (*)(void*, int, CUdeviceptr)>("cuPointerGetAttribute")),
      copy_async_(library_.optional<int (*)(CUdeviceptr, const void*, size_t, void*)>("cuMemcpyHtoDAsync_v2")),
      synchronize_(library_.optional<int (*)(void*)>("cuStreamSynchronize")) {}

void Cuda::use(void* context) const { check("cuCtxSetCurrent", set_current_(context)); }

CUdeviceptr Cuda::allocate(size_t bytes) const {
  CUdeviceptr address = 0;
  const int result = allocate_(&address, bytes);
  if (result == out_of_memory) return 0;
  check("cuMemAlloc", result);
  return address;
}

bool Cuda::is_capturing(void* stream) const {
  int status = not_captured;
  return is_capturing_(stream, &status) == success && status != not_captured;
}

bool Cuda::is_device_memory(const void* address) const {
  unsigned kind = 0;
  // Memory that CUDA does not know is the host's, and answered with an error.
  const int result = pointer_attribute_(&kind, memory_type, reinterpret_cast<CUdeviceptr>(address));
  return result == success && kind == device_memory;
}

bool Cuda::copy_in(CUdeviceptr target, const void* source, size_t bytes, void* stream) const {
  return copy_async_(target, source, bytes, stream) == success && synchronize_(stream) == success;
}

}  // namespace lowlat_trt
