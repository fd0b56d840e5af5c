// Runs the blocks of one kernel launch. Everything happens on the device's thread.
#pragma once
#include <string>
#include <vector>

#include "block.h"
#include "status.h"

namespace cuda_sim {

struct LaunchShape {
  Index grid, block;
  uint32_t shared_bytes;
};

/** What the cost model goes by. */
struct Work {
  uint64_t blocks = 0, threads = 0, operations = 0, flops = 0, bytes = 0;
};

/**
 * A kernel under way. In order: one block at a time, lane after lane, each until it has to wait. Shuffled by a seed: several
 * blocks at once, started in another order, and at every wait another thread, drawn at random; the same seed gives the same order.
 */
class Grid {
 public:
  Grid(void (*kernel)(const void*), std::vector<unsigned char> parameters, LaunchShape shape, uint64_t seed);
  ~Grid();
  Grid(const Grid&) = delete;
  /** Runs until a few blocks have ended; false once all have, or after an error. */
  bool advance();
  /** Threads that call `wait_for_kernel_ahead` stop there until the gate is opened; `advance` returns once all have. */
  void close_gate() { gate_closed_ = true; }
  void open_gate();
  CUresult status() const { return status_; }
  const std::string& message() const { return message_; }
  const Work& work() const { return work_; }

  // For the running thread:
  void run_kernel() { kernel_(parameters_.data()); }
  /** Leaves the running thread, which waits for others or has ended. */
  void wait();
  void thread_ended();
  void wait_at_gate();
  /** Lets others go first if the schedule is shuffled. */
  void give_way();
  /** Ends the kernel with an error; never returns to the running thread. */
  [[noreturn]] void fail(CUresult status, std::string message);
  Work& count() { return work_; }

 private:
  Thread* pick();
  Block* ready_block();
  void start_block();
  void end_block(Block* block);
  std::string where_threads_are(const Block& block) const;
  void note(CUresult status, std::string message, const Block* block);
  void switch_to(Thread* next, Fiber* from);
  void abandon();

  void (*kernel_)(const void*);
  std::vector<unsigned char> parameters_;
  LaunchShape shape_;
  bool shuffled_;
  Random random_;
  uint32_t stay_;
  uint64_t next_block_ = 0, block_count_;
  /** Block n of those that start is number first_block_ + n * block_step_, modulo their count. */
  uint64_t first_block_ = 0, block_step_ = 1;
  uint32_t ended_ = 0;
  bool pause_ = false, gate_closed_ = false;
  std::vector<Block*> running_;
  Block* last_ = nullptr;
  CUresult status_ = CUDA_SUCCESS;
  std::string message_;
  Work work_;
};

/** The grid that runs now; null between. */
extern Grid* running_grid;

/** Called by fault handlers on the device's thread: ends the running kernel. */
[[noreturn]] void fail_kernel(CUresult status, std::string message);

inline Thread* current_thread() { return static_cast<Thread*>(current); }
inline Block* current_block() { return static_cast<Block*>(current->block); }

}  // namespace cuda_sim
