// Barriers, shuffles and memory operations of running threads.
#include <cstring>
#include <string>

#include "grid.h"
#include "warp.h"

namespace cuda_sim {

void warp_operation(WarpOperation operation, void* arguments) {
  Thread* thread = current_thread();
  Warp& warp = *thread->warp;
  if (warp.exists != ~0u) fail_kernel(CUDA_ERROR_ILLEGAL_INSTRUCTION, "a warp operation needs a warp of 32 threads");
  if (!warp.at_operation)
    warp.operation = operation;
  else if (warp.operation != operation)
    fail_kernel(CUDA_ERROR_LAUNCH_FAILED, "the warp diverged: its lanes are at different warp operations");
  const uint32_t lane = thread->index.x % warp_threads;
  warp.arguments[lane] = arguments;
  warp.at_operation |= thread->bit();
  if (warp.at_operation != ~0u) {
    running_grid->wait();
    return;
  }
  operation(warp.arguments);
  running_grid->count().operations++;
  warp.at_operation = 0;
  current_block()->make_ready(warp, ~thread->bit());
  running_grid->give_way();
}

void wait_for_kernel_ahead() { running_grid->wait_at_gate(); }

void block_barrier() {
  Thread* thread = current_thread();
  Block& block = *current_block();
  thread->warp->at_barrier |= thread->bit();
  if (++block.at_barrier < block.thread_count) {
    running_grid->wait();
    return;
  }
  block.at_barrier = 0;
  for (uint32_t i = 0; i < block.warp_count; i++) {
    Warp& warp = block.warps[i];
    const uint32_t lanes = &warp == thread->warp ? warp.at_barrier & ~thread->bit() : warp.at_barrier;
    warp.at_barrier = 0;
    block.make_ready(warp, lanes);
  }
  running_grid->give_way();
}

void warp_barrier() {
  warp_operation([](void* const*) {}, nullptr);
}

namespace {

struct Shuffle {
  uint32_t bits, lane, result;
};

void shuffle_all(void* const* arguments) {
  for (uint32_t i = 0; i < warp_threads; i++) {
    Shuffle* mine = static_cast<Shuffle*>(arguments[i]);
    mine->result = static_cast<const Shuffle*>(arguments[mine->lane])->bits;
  }
}

void check_alignment(const void* address, uint32_t bytes, const char* what) {
  if (reinterpret_cast<uintptr_t>(address) % bytes)
    fail_kernel(CUDA_ERROR_MISALIGNED_ADDRESS, std::string(what) + " is not aligned to " + std::to_string(bytes) + " bytes");
}

void land(const AsyncCopy& copy) {
  if (copy.source)
    std::memcpy(copy.target, copy.source, copy.bytes);
  else
    std::memset(copy.target, 0, copy.bytes);
}

}  // namespace

uint32_t shuffle(uint32_t bits, uint32_t lane) {
  Shuffle mine = {bits, lane, 0};
  warp_operation(shuffle_all, &mine);
  return mine.result;
}

void check_shared(const void* address, uint32_t bytes, const char* what) {
  const Block& block = *current_block();
  const uintptr_t offset = reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(block.shared);
  if (offset > block.shared_bytes || bytes > block.shared_bytes - offset)
    fail_kernel(CUDA_ERROR_ILLEGAL_ADDRESS, std::string(what) + " lies at byte " +
                                                std::to_string(static_cast<intptr_t>(offset)) + " of " +
                                                std::to_string(block.shared_bytes) + " bytes of shared memory");
  check_alignment(address, bytes, what);
}

void copy_async(void* shared, const void* global, uint32_t bytes, bool valid) {
  Thread& thread = *current_thread();
  check_shared(shared, bytes, "the target of cp_async");
  if (valid) {
    check_alignment(global, bytes, "the source of cp_async");
    running_grid->count().bytes += bytes;
  }
  const AsyncCopy copy = {shared, valid ? global : nullptr, bytes, thread.open_group};
  if (thread.copies_land_early)
    land(copy);
  else
    thread.copies.push_back(copy);
}

void copy_async_commit() { current_thread()->open_group++; }

void copy_async_wait(uint32_t newest_groups_left_open) {
  Thread& thread = *current_thread();
  while (thread.landed < thread.copies.size()) {
    const AsyncCopy& copy = thread.copies[thread.landed];
    if (copy.group + newest_groups_left_open >= thread.open_group) return;
    land(copy);
    thread.landed++;
  }
  thread.copies.clear();
  thread.landed = 0;
}

float atomic_add(float* address, float value) {
  running_grid->give_way();
  const float old = *address;
  *address = old + value;
  return old;
}

int32_t atomic_add(int32_t* address, int32_t value) {
  running_grid->give_way();
  return __atomic_fetch_add(address, value, __ATOMIC_SEQ_CST);
}

uint32_t atomic_add(uint32_t* address, uint32_t value) {
  running_grid->give_way();
  return __atomic_fetch_add(address, value, __ATOMIC_SEQ_CST);
}

int32_t atomic_max(int32_t* address, int32_t value) {
  running_grid->give_way();
  const int32_t old = *address;
  if (value > old) *address = value;
  return old;
}

void memory_fence() {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  running_grid->give_way();
}

}  // namespace cuda_sim
