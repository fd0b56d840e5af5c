// What the simulator offers to running kernels. Everything here is called on a fiber of the device's thread.
#pragma once
#include <cstdint>

#pragma GCC visibility push(default)
namespace cuda_sim {

struct Index {
  uint32_t x, y, z;
};

/** The part of a block that kernels see. */
struct BlockView {
  Index block_index, block_size, grid_size;
  /** Dynamic shared memory, aligned to 128 bytes and filled with 0xff: NaN in both float formats. */
  unsigned char* shared;
  uint32_t shared_bytes;
};

/** The part of a thread that kernels see. */
struct ThreadView {
  Index index;
  BlockView* block;
};

/** The running thread. Fibers never move to another OS thread, so that the address of the variable stays right. */
extern __thread ThreadView* current __attribute__((tls_model("initial-exec")));

/**
 * Waits until the kernel ahead has ended. Only a kernel that was launched for it (programmatic stream serialization) starts
 * before that, and here only under a shuffled schedule: its first blocks then run up to this call before the kernel ahead
 * begins, as early as they may.
 */
void wait_for_kernel_ahead();

/** Waits for every thread of the block. Exited threads are an error, not a hang. */
void block_barrier();

/**
 * Warp operations wait for all 32 lanes; the last to come computes for all. A lane that exited, waits at a block barrier or
 * runs another warp operation meanwhile is an error: kernels here always take part with whole warps.
 */
void warp_barrier();
uint32_t shuffle(uint32_t bits, uint32_t lane);
void load_matrices_x4(uint32_t* fragment, const void* row);
void load_matrices_x2(uint32_t* fragment, const void* row);
void load_matrices_x4_transposed(uint32_t* fragment, const void* row);
void load_matrices_x2_transposed(uint32_t* fragment, const void* row);

/**
 * d += a b with the fragment layouts of PTX mma.sync m16n8k16 (f16), m16n8k8 (tf32), m16n8k32 (s8, u8 by s8). Floats:
 * products are exact, then added one after the other in order of k, each sum rounded to float32; hardware's order and
 * rounding are not documented. Integers: exact, wrapping.
 */
void multiply_f16(float* d, const uint32_t* a, const uint32_t* b);
void multiply_tf32(float* d, const uint32_t* a, const uint32_t* b);
void multiply_s8(int32_t* d, const uint32_t* a, const uint32_t* b);
void multiply_u8s8(int32_t* d, const uint32_t* a, const uint32_t* b);

/**
 * Asynchronous copies to shared memory. Source and destination must be aligned to the size. Data lands as late as it may: at
 * the wait that covers its group, when the source is read too; a group that is never waited for never lands. Under a
 * shuffled schedule a random half of a block's threads lands at once instead: as early as it may.
 */
void copy_async(void* shared, const void* global, uint32_t bytes, bool valid);
void copy_async_commit();
void copy_async_wait(uint32_t newest_groups_left_open);

float atomic_add(float* address, float value);
int32_t atomic_add(int32_t* address, int32_t value);
uint32_t atomic_add(uint32_t* address, uint32_t value);
int32_t atomic_max(int32_t* address, int32_t value);
void memory_fence();

}  // namespace cuda_sim
#pragma GCC visibility pop
