#include "grid.h"

#include <numeric>
#include <utility>

#include "sanitizer.h"

namespace cuda_sim {

__thread ThreadView* current __attribute__((tls_model("initial-exec"))) = nullptr;
Grid* running_grid = nullptr;

namespace {

/** Blocks that are under way at once when shuffled, and how many end before other streams get a turn. */
constexpr size_t blocks_at_once = 3;
constexpr uint32_t blocks_per_turn = 16;

/** Where `advance` was called. */
Fiber device_thread;
std::vector<Block*> free_blocks;

/** Of the fiber that runs, for threads that have just ended. */
__attribute__((no_sanitize("address"))) void run_threads() {
  arrive_on_fiber();
  for (;;) {
    // Looked up anew: after a switch another kernel may run.
    running_grid->run_kernel();
    running_grid->thread_ended();
  }
}

}  // namespace

Grid::Grid(void (*kernel)(const void*), std::vector<unsigned char> parameters, LaunchShape shape, uint64_t seed)
    : kernel_(kernel), parameters_(std::move(parameters)), shape_(shape), shuffled_(seed != 0), random_{seed} {
  block_count_ = static_cast<uint64_t>(shape.grid.x) * shape.grid.y * shape.grid.z;
  // How often of 256 times a warp goes on: from lockstep of all warps to one far ahead of the others.
  const uint32_t habits[] = {0, 192, 250};
  stay_ = habits[random_.below(3)];
  if (shuffled_) {
    first_block_ = random_.next() % block_count_;
    do block_step_ = random_.next() % block_count_ + 1;
    while (std::gcd(block_step_, block_count_) != 1);
  }
  work_.blocks = block_count_;
  work_.threads = block_count_ * shape.block.x;
}

Grid::~Grid() { abandon(); }

bool Grid::advance() {
  if (status_ != CUDA_SUCCESS) return false;
  while (next_block_ < block_count_ && running_.size() < (shuffled_ ? blocks_at_once : 1)) start_block();
  if (running_.empty()) return false;
  ended_ = 0;
  pause_ = false;
  running_grid = this;
  switch_to(pick(), &device_thread);
  running_grid = nullptr;
  current = nullptr;
  if (status_ != CUDA_SUCCESS) abandon();
  // A pause between blocks may find none under way.
  return status_ == CUDA_SUCCESS && (!running_.empty() || next_block_ < block_count_);
}

void Grid::start_block() {
  Block* block;
  if (free_blocks.empty()) {
    block = new Block;
  } else {
    block = free_blocks.back();
    free_blocks.pop_back();
  }
  const uint64_t number = (first_block_ + next_block_++ * block_step_) % block_count_;
  const Index at = {static_cast<uint32_t>(number % shape_.grid.x), static_cast<uint32_t>(number / shape_.grid.x % shape_.grid.y),
                    static_cast<uint32_t>(number / shape_.grid.x / shape_.grid.y)};
  block->start(at, shape_.block, shape_.grid, shape_.shared_bytes, shuffled_, random_);
  running_.push_back(block);
  last_ = block;
}

void Grid::end_block(Block* block) {
  if (const unsigned char* byte = block->damage())
    note(CUDA_ERROR_ILLEGAL_ADDRESS,
         "byte " + std::to_string(byte - block->shared) + " was written of " + std::to_string(block->shared_bytes) +
             " bytes of shared memory",
         block);
  for (size_t i = 0; i < running_.size(); i++)
    if (running_[i] == block) running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
  free_blocks.push_back(block);
  if (++ended_ >= blocks_per_turn) pause_ = true;
  if (next_block_ < block_count_ && !pause_) start_block();
  last_ = running_.empty() ? nullptr : running_.back();
}

/** The next thread to run; null to return from `advance`, also when the threads of a block wait for each other. */
Thread* Grid::pick() {
  if (running_.empty() || pause_ || status_ != CUDA_SUCCESS) return nullptr;
  if (shuffled_ && random_.below(256) >= stay_) {
    last_ = running_[random_.below(static_cast<uint32_t>(running_.size()))];
    if (last_->ready_warps) last_->current_warp = random_bit(last_->ready_warps, random_);
  }
  last_ = ready_block();
  if (!last_) return nullptr;
  Block& block = *last_;
  uint32_t warp = block.current_warp;
  if (!block.warps[warp].ready)
    warp = shuffled_ ? random_bit(block.ready_warps, random_) : static_cast<uint32_t>(__builtin_ctz(block.ready_warps));
  const uint32_t ready = block.warps[warp].ready;
  return block.take(warp, shuffled_ ? random_bit(ready, random_) : static_cast<uint32_t>(__builtin_ctz(ready)));
}

/** The last block or, if that stands at the gate, another; null if all do, or if the threads of the last one are stuck. */
Block* Grid::ready_block() {
  if (last_ && last_->ready_warps) return last_;
  for (Block* block : running_) {
    if (block->ready_warps) return block;
    if (gate_closed_ && block->at_gate) continue;
    note(CUDA_ERROR_LAUNCH_FAILED, where_threads_are(*block), block);
    return nullptr;
  }
  return nullptr;
}

void Grid::switch_to(Thread* next, Fiber* from) {
  Fiber* to = &device_thread;
  if (next) {
    if (!next->fiber) next->fiber = acquire_fiber(run_threads);
    to = next->fiber;
  }
  current = next;
  if (to != from) switch_fiber(from, to);
}

void Grid::wait() {
  Fiber* from = current_thread()->fiber;
  switch_to(pick(), from);
}

void Grid::thread_ended() {
  Thread* thread = current_thread();
  Block* block = current_block();
  Fiber* fiber = thread->fiber;
  thread->fiber = nullptr;
  thread->warp->exited |= thread->bit();
  if (++block->exited == block->thread_count) end_block(block);
  Thread* next = pick();
  if (next && !next->fiber) {
    next->fiber = fiber;
    current = next;
    return;
  }
  release_fiber(fiber);
  switch_to(next, fiber);
}

void Grid::wait_at_gate() {
  if (!gate_closed_) return;
  Thread* thread = current_thread();
  thread->warp->at_gate |= thread->bit();
  current_block()->at_gate++;
  wait();
}

void Grid::open_gate() {
  gate_closed_ = false;
  for (Block* block : running_) {
    block->at_gate = 0;
    for (uint32_t i = 0; i < block->warp_count; i++) {
      block->make_ready(block->warps[i], block->warps[i].at_gate);
      block->warps[i].at_gate = 0;
    }
  }
}

void Grid::give_way() {
  if (!shuffled_) return;
  Thread* thread = current_thread();
  current_block()->make_ready(*thread->warp, thread->bit());
  wait();
}

void Grid::note(CUresult status, std::string message, const Block* block) {
  const Index& at = block->block_index;
  status_ = status;
  message_ = std::move(message) + ", in block " + std::to_string(at.x) + "," + std::to_string(at.y) + "," + std::to_string(at.z);
}

void Grid::fail(CUresult status, std::string message) {
  note(status, std::move(message) + ", in thread " + std::to_string(current->index.x), current_block());
  Fiber abandoned;
  switch_fiber(&abandoned, &device_thread);
  __builtin_unreachable();
}

void fail_kernel(CUresult status, std::string message) { running_grid->fail(status, std::move(message)); }

std::string Grid::where_threads_are(const Block& block) const {
  uint32_t at_operation = 0, at_barrier = 0;
  for (uint32_t i = 0; i < block.warp_count; i++) {
    at_operation += static_cast<uint32_t>(__builtin_popcount(block.warps[i].at_operation));
    at_barrier += static_cast<uint32_t>(__builtin_popcount(block.warps[i].at_barrier));
  }
  return "threads diverged and wait for each other: of " + std::to_string(block.thread_count) + " threads " +
         std::to_string(at_barrier) + " are at a block barrier, " + std::to_string(at_operation) + " at a warp operation, " +
         std::to_string(block.exited) + " have ended";
}

/** Takes back the blocks and fibers of a kernel that was not run to its end. */
void Grid::abandon() {
  for (Block* block : running_) {
    for (uint32_t i = 0; i < block->thread_count; i++) {
      Fiber* fiber = block->threads[i].fiber;
      if (!fiber) continue;
      block->threads[i].fiber = nullptr;
      release_fiber(fiber);
    }
    free_blocks.push_back(block);
  }
  running_.clear();
}

}  // namespace cuda_sim
