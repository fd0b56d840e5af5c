// Threads, warps and blocks of a running kernel.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "fiber.h"
#include "random.h"
#include "simt.h"

namespace cuda_sim {

constexpr uint32_t warp_threads = 32;
constexpr uint32_t largest_block = 1024;

struct AsyncCopy {
  void* target;
  /** Null: zeros. */
  const void* source;
  uint32_t bytes;
  uint32_t group;
};

struct Warp;

struct Thread : ThreadView {
  Warp* warp;
  /** Null before the thread starts and after it ends. */
  Fiber* fiber;
  /** What is to land, oldest first, from `landed` on; and the number of the group that is open. */
  std::vector<AsyncCopy> copies;
  size_t landed;
  uint32_t open_group;
  bool copies_land_early;

  uint32_t bit() const { return 1u << (index.x % warp_threads); }
};

/** Computes a warp operation for all lanes: `arguments` points to what each lane passed. */
using WarpOperation = void (*)(void* const* arguments);

/** Bits stand for lanes. A lane that exists is in exactly one of the sets, or running. */
struct Warp {
  uint32_t exists, ready, at_operation, at_barrier, at_gate, exited;
  WarpOperation operation;
  void* arguments[warp_threads];
};

struct Block : BlockView {
  uint32_t thread_count, warp_count;
  /** Warps with ready lanes. */
  uint32_t ready_warps;
  uint32_t at_barrier, at_gate, exited;
  /** Of the thread that ran last. */
  uint32_t current_warp;
  Warp warps[largest_block / warp_threads];
  Thread threads[largest_block];
  /** Shared memory between red zones. */
  std::unique_ptr<unsigned char[]> memory;
  size_t memory_bytes = 0;

  /** Makes every thread ready to start. */
  void start(Index block, Index size, Index grid, uint32_t shared_bytes, bool shuffled, Random& random);
  /** Bytes next to shared memory that were written; undefined where there are none. */
  const unsigned char* damage() const;
  void make_ready(Warp& warp, uint32_t lanes) {
    warp.ready |= lanes;
    if (warp.ready) ready_warps |= 1u << (&warp - warps);
  }
  Thread* take(uint32_t warp, uint32_t lane);
};

}  // namespace cuda_sim
