// What a build under AddressSanitizer is told about memory and stacks; nothing otherwise.
#pragma once
#include <cstddef>

#ifdef __SANITIZE_ADDRESS__
#define CUDA_SIM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace cuda_sim {
#ifdef CUDA_SIM_ASAN
constexpr bool sanitized = true;
inline void poison(const void* address, size_t bytes) { __asan_poison_memory_region(address, bytes); }
inline void unpoison(const void* address, size_t bytes) { __asan_unpoison_memory_region(address, bytes); }
#else
constexpr bool sanitized = false;
inline void poison(const void*, size_t) {}
inline void unpoison(const void*, size_t) {}
#endif
}  // namespace cuda_sim
