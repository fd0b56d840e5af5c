// The few calls of NVIDIA's driver that are made here.
#pragma once
#include <cstddef>
#include <cstdint>

#include "dynamic_library.h"

namespace lowlat_trt {

using CUdeviceptr = uint64_t;

class Cuda {
 public:
  /** @throws Failure LIBRARY_MISSING, SYMBOL_MISSING. */
  explicit Cuda(const std::string& path);

  /** Makes a context current in this thread. @throws Failure CUDA_FAILED {call, result}. */
  void use(void* context) const;
  /** 0 where there is no memory left. @throws Failure CUDA_FAILED. */
  CUdeviceptr allocate(size_t bytes) const;
  /** Errors are of no use to whoever is done with the memory. */
  void free(CUdeviceptr address) const { free_(address); }

  /** Whether what is given to a stream becomes part of a graph. */
  bool is_capturing(void* stream) const;

  /** Whether `copy_in` can tell where memory lies. */
  bool tells_memory_kind() const { return pointer_attribute_ && copy_async_ && synchronize_; }
  bool is_device_memory(const void* address) const;
  /** From the host, complete on return. @returns false on failure. */
  bool copy_in(CUdeviceptr target, const void* source, size_t bytes, void* stream) const;

 private:
  DynamicLibrary library_;
  int (*set_current_)(void*);
  int (*allocate_)(CUdeviceptr*, size_t);
  int (*free_)(CUdeviceptr);
  int (*is_capturing_)(void*, int*);
  int (*pointer_attribute_)(void*, int, CUdeviceptr);
  int (*copy_async_)(CUdeviceptr, const void*, size_t, void*);
  int (*synchronize_)(void*);
};

}  // namespace lowlat_trt
