#pragma once
#include "../cuda.h"
#include "provided.h"

namespace lowlat_trt {

/** IOutputAllocator of one tensor: device memory that is used again while it is large enough. */
struct OutputAllocator : Provided {
  OutputAllocator(const Abi& abi, const Cuda& cuda);
  OutputAllocator(const OutputAllocator&) = delete;
  /** The context is current and no longer uses the memory. */
  ~OutputAllocator();

  struct State {
    CUdeviceptr address;
    uint64_t bytes;
    /** Count -1 until TensorRT has told the shape. */
    Dims shape;
  };
  State state() const;

 private:
  static void* reallocate(OutputAllocator* self, const char* tensor, void* current, uint64_t bytes, uint64_t alignment) noexcept;
  static void* reallocate_async(OutputAllocator* self, const char* tensor, void* current, uint64_t bytes, uint64_t alignment,
                                void* stream) noexcept;
  static void notify_shape(OutputAllocator* self, const char* tensor, const Dims& shape) noexcept;

  const Cuda& cuda_;
  mutable std::mutex mutex_;
  State state_{0, 0, {-1, {}}};
};

}  // namespace lowlat_trt
