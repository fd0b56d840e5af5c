#include "block.h"

#include <cstring>

#include "sanitizer.h"

namespace cuda_sim {
namespace {
constexpr size_t red_zone_bytes = 256;
constexpr unsigned char red_zone_pattern = 0xb5, fresh_pattern = 0xff;
constexpr size_t alignment = 128;
}  // namespace

void Block::start(Index block, Index size, Index grid, uint32_t bytes, bool shuffled, Random& random) {
  block_index = block;
  block_size = size;
  grid_size = grid;
  shared_bytes = bytes;
  thread_count = size.x;
  warp_count = (size.x + warp_threads - 1) / warp_threads;
  ready_warps = at_barrier = at_gate = exited = current_warp = 0;

  const size_t wanted = red_zone_bytes + alignment + bytes + red_zone_bytes;
  if (memory_bytes < wanted) {
    memory.reset(new unsigned char[wanted]);
    memory_bytes = wanted;
  }
  const uintptr_t first = reinterpret_cast<uintptr_t>(memory.get()) + red_zone_bytes;
  shared = reinterpret_cast<unsigned char*>((first + alignment - 1) & ~(alignment - 1));
  unpoison(memory.get(), memory_bytes);
  std::memset(shared - red_zone_bytes, red_zone_pattern, red_zone_bytes);
  std::memset(shared, fresh_pattern, bytes);
  std::memset(shared + bytes, red_zone_pattern, red_zone_bytes);
  poison(shared - red_zone_bytes, red_zone_bytes);
  poison(shared + bytes, red_zone_bytes);

  for (uint32_t i = 0; i < thread_count; i++) {
    Thread& thread = threads[i];
    thread.index = {i, 0, 0};
    thread.block = this;
    thread.warp = &warps[i / warp_threads];
    thread.fiber = nullptr;
    thread.copies.clear();
    thread.landed = 0;
    thread.open_group = 0;
    thread.copies_land_early = shuffled && random.below(2) != 0;
  }
  for (uint32_t i = 0; i < warp_count; i++) {
    Warp& warp = warps[i];
    const uint32_t lanes = thread_count - i * warp_threads;
    warp.exists = lanes >= warp_threads ? ~0u : (1u << lanes) - 1;
    warp.ready = warp.at_operation = warp.at_barrier = warp.at_gate = warp.exited = 0;
    make_ready(warp, warp.exists);
  }
}

const unsigned char* Block::damage() const {
  if (sanitized) return nullptr;
  for (const unsigned char* zone : {shared - red_zone_bytes, shared + shared_bytes})
    for (size_t i = 0; i < red_zone_bytes; i++)
      if (zone[i] != red_zone_pattern) return zone + i;
  return nullptr;
}

Thread* Block::take(uint32_t warp_number, uint32_t lane) {
  Warp& warp = warps[warp_number];
  warp.ready &= ~(1u << lane);
  if (!warp.ready) ready_warps &= ~(1u << warp_number);
  current_warp = warp_number;
  return &threads[warp_number * warp_threads + lane];
}

}  // namespace cuda_sim
