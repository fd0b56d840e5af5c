// Kernels that touch memory which is not there.
#pragma once
namespace cuda_sim {
/** On the device's thread: turns faults of kernels into CUDA_ERROR_ILLEGAL_ADDRESS instead of the end of the process. */
void catch_memory_faults();
}  // namespace cuda_sim
