// Stacks that kernels' threads run on, and switching between them. One OS thread uses them all.
#pragma once
#include <cstddef>

namespace cuda_sim {

/** A place where execution can be left and resumed: a fiber, or the OS thread that started it (without a stack of ours). */
struct Fiber {
  void* stack_pointer = nullptr;
  /** Lowest address and size, without the guard page. */
  void* stack = nullptr;
  size_t stack_bytes = 0;
  /** AddressSanitizer's, while switched away. */
  void* fake_stack = nullptr;
  Fiber* next_free = nullptr;
};

/** A fiber that will run `entry` (which never returns) once it is switched to. */
Fiber* acquire_fiber(void (*entry)());
/** Back to the pool, whatever frames are left on its stack. It may be the running fiber if it switches away at once. */
void release_fiber(Fiber* fiber);
/** Saves where execution is into `from` and resumes `to`; returns when `from` is resumed. */
void switch_fiber(Fiber* from, Fiber* to);
/** First thing in an entry: completes the switch for AddressSanitizer. */
void arrive_on_fiber();
/** Where the stack guard of the running thread's fibers lies: is this address in one? */
bool in_stack_guard(const void* address);

}  // namespace cuda_sim
