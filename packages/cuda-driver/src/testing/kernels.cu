// Kernels of the tests of this package; they run on the simulator only.
#include "prims_host.h"

struct SignalParams {
  void* counter;  // uint32 [1]
  void* target;   // uint32 [1], pinned
};

KERNEL(signal, SignalParams) {
  if (threadIdx.x != 0) return;
  uint32_t* counter = static_cast<uint32_t*>(p.counter);
  *counter += 1;
  thread_fence_system();
  store_system(static_cast<uint32_t*>(p.target), *counter);
}

struct ScaleParams {
  const void* in;  // [count] float
  void* out;
  int32_t count;
  float factor;
};

KERNEL(scale, ScaleParams) {
  const int32_t i = static_cast<int32_t>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < p.count) static_cast<float*>(p.out)[i] = static_cast<const float*>(p.in)[i] * p.factor;
}

/** Sums of 64 KiB of shared memory: more than a block has without asking. */
KERNEL(use_shared, SignalParams) {
  shared_memory()[64 * 1024 - 1] = 7;
  if (threadIdx.x == 0) static_cast<uint32_t*>(p.target)[0] = shared_memory()[64 * 1024 - 1];
}

KERNEL(fail, SignalParams) { *static_cast<uint32_t*>(nullptr) = 1; }
