#pragma once
#include <cstdint>
#include <optional>

namespace cuda_sim {
/** Value of a CUdevice_attribute. */
std::optional<int> device_attribute(int attribute);
/** Of a block, after opting in. */
uint32_t largest_shared_bytes();
uint32_t shared_bytes_per_multiprocessor();
/** Taken from every block by the system. */
uint32_t reserved_shared_bytes();
uint32_t threads_per_multiprocessor();
uint32_t blocks_per_multiprocessor();
}  // namespace cuda_sim
