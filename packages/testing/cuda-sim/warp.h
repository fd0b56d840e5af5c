// How warp operations meet: used by collectives.cpp and matrices.cpp.
#pragma once
#include "block.h"

namespace cuda_sim {
/** Waits for the other lanes of the warp; the last computes `operation` for all of them. */
void warp_operation(WarpOperation operation, void* arguments);
/** Ends the kernel unless the running block's shared memory holds these aligned bytes. */
void check_shared(const void* address, uint32_t bytes, const char* what);
}  // namespace cuda_sim
