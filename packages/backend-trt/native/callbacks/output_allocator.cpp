#include "output_allocator.h"

namespace lowlat_trt {

namespace {
/** What cuMemAlloc promises at least. */
constexpr uint64_t alignment_of_memory = 256;
}  // namespace

OutputAllocator::OutputAllocator(const Abi& abi, const Cuda& cuda) : cuda_(cuda) {
  vtable = abi.vtable(Class::OutputAllocator, {provide<Method::OutputAllocator_reallocateOutput>(reallocate),
                                               provide<Method::OutputAllocator_reallocateOutputAsync>(reallocate_async),
                                               provide<Method::OutputAllocator_notifyShape>(notify_shape)});
}

OutputAllocator::~OutputAllocator() {
  if (state_.address) cuda_.free(state_.address);
}

OutputAllocator::State OutputAllocator::state() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return state_;
}

void* OutputAllocator::reallocate(OutputAllocator* self, const char*, void*, uint64_t bytes, uint64_t alignment) noexcept {
  if (alignment > alignment_of_memory) return nullptr;
  const std::lock_guard<std::mutex> lock(self->mutex_);
  State& state = self->state_;
  if (bytes > state.bytes || !state.address) {
    // Freeing waits for the work that uses the memory.
    if (state.address) self->cuda_.free(state.address);
    state.address = state.bytes = 0;
    try {
      state.address = self->cuda_.allocate(bytes);
    } catch (const Failure&) {
      return nullptr;  // TensorRT fails the run, and says so
    }
    if (state.address) state.bytes = bytes;
  }
  return reinterpret_cast<void*>(state.address);
}

void* OutputAllocator::reallocate_async(OutputAllocator* self, const char* tensor, void* current, uint64_t bytes, uint64_t alignment,
                                        void*) noexcept {
  return reallocate(self, tensor, current, bytes, alignment);
}

void OutputAllocator::notify_shape(OutputAllocator* self, const char*, const Dims& shape) noexcept {
  const std::lock_guard<std::mutex> lock(self->mutex_);
  self->state_.shape = shape;
}

}  // namespace lowlat_trt
