// The end of a run: says to the host that everything before it in the stream is done.
#include "prims.cuh"

struct SignalParams {
  void* counter;  // uint32 of device memory
  void* target;   // uint32 of pinned host memory
};

KERNEL(signal, SignalParams) {
  if (threadIdx.x != 0) return;
  uint32_t* counter = static_cast<uint32_t*>(p.counter);
  const uint32_t count = *counter + 1;
  *counter = count;
  // What the host finds once it sees the number must not come after it.
  thread_fence_system();
  store_system(static_cast<uint32_t*>(p.target), count);
}
