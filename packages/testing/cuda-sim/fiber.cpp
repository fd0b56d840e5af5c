#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "sanitizer.h"

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace cuda_sim {
namespace {

// Pages are taken only once touched. Sanitized frames are several times as large.
constexpr size_t stack_bytes = sanitized ? 256 << 10 : 64 << 10;

Fiber* free_fibers = nullptr;
std::vector<Fiber*> all_fibers;

size_t page_bytes() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

Fiber* create_fiber() {
  const size_t guard = page_bytes();
  void* memory = mmap(nullptr, guard + stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, guard, PROT_NONE) != 0) {
    std::fprintf(stderr, "cuda-sim: no memory for the stack of fiber %zu\n", all_fibers.size());
    std::abort();
  }
  Fiber* fiber = new Fiber;
  fiber->stack = static_cast<char*>(memory) + guard;
  fiber->stack_bytes = stack_bytes;
  all_fibers.push_back(fiber);
  return fiber;
}

}  // namespace

#if defined(__x86_64__)

// System V: rbx, rbp, r12..r15 and the stack pointer survive a call. Rounding modes are never changed.
asm(R"(
.text
.p2align 4
.type cuda_sim_switch, @function
cuda_sim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cuda_sim_switch, .-cuda_sim_switch
)");
extern "C" void cuda_sim_switch(void** save_stack_pointer, void* stack_pointer) __attribute__((visibility("hidden")));

static void prepare(Fiber* fiber, void (*entry)()) {
  // Fibers of a warp run in lockstep and touch the same depth of their stacks: staggered, they do not share cache sets.
  static unsigned count = 0;
  const uintptr_t top = reinterpret_cast<uintptr_t>(fiber->stack) + fiber->stack_bytes - (count++ % 61) * 64;
  // `ret` pops the entry; at the first instruction of a function rsp + 8 is a multiple of 16.
  void** frame = reinterpret_cast<void**>(top & ~uintptr_t{15}) - 8;
  for (int i = 0; i < 6; i++) frame[i] = nullptr;
  frame[6] = reinterpret_cast<void*>(entry);
  frame[7] = nullptr;
  fiber->stack_pointer = frame;
}

static void jump(Fiber* from, Fiber* to) { cuda_sim_switch(&from->stack_pointer, to->stack_pointer); }

#else

// Slower (each switch is a system call), but everywhere. The context stands in for the stack pointer.
static void prepare(Fiber* fiber, void (*entry)()) {
  if (!fiber->stack_pointer) fiber->stack_pointer = new ucontext_t;
  ucontext_t* context = static_cast<ucontext_t*>(fiber->stack_pointer);
  getcontext(context);
  context->uc_stack.ss_sp = fiber->stack;
  context->uc_stack.ss_size = fiber->stack_bytes;
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
}

static void jump(Fiber* from, Fiber* to) {
  if (!from->stack_pointer) from->stack_pointer = new ucontext_t;
  swapcontext(static_cast<ucontext_t*>(from->stack_pointer), static_cast<ucontext_t*>(to->stack_pointer));
}

#endif

Fiber* acquire_fiber(void (*entry)()) {
  Fiber* fiber = free_fibers;
  if (fiber)
    free_fibers = fiber->next_free;
  else
    fiber = create_fiber();
  // Frames were left behind on it, not returned from.
  unpoison(fiber->stack, fiber->stack_bytes);
  prepare(fiber, entry);
  return fiber;
}

void release_fiber(Fiber* fiber) {
  fiber->next_free = free_fibers;
  fiber->fake_stack = nullptr;
  free_fibers = fiber;
}

#ifdef CUDA_SIM_ASAN

// The OS thread's own stack, learnt at the first switch away from it.
static const void* thread_stack = nullptr;
static size_t thread_stack_bytes = 0;

void switch_fiber(Fiber* from, Fiber* to) {
  const bool to_thread = !to->stack;
  __sanitizer_start_switch_fiber(&from->fake_stack, to_thread ? thread_stack : to->stack,
                                 to_thread ? thread_stack_bytes : to->stack_bytes);
  jump(from, to);
  const void* stack = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(from->fake_stack, &stack, &bytes);
}

void arrive_on_fiber() {
  const void* stack = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(nullptr, &stack, &bytes);
  // The first fiber of all is entered from the OS thread.
  if (thread_stack) return;
  thread_stack = stack;
  thread_stack_bytes = bytes;
}

#else

void switch_fiber(Fiber* from, Fiber* to) { jump(from, to); }
void arrive_on_fiber() {}

#endif

bool in_stack_guard(const void* address) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(address);
  for (const Fiber* fiber : all_fibers) {
    const uintptr_t stack = reinterpret_cast<uintptr_t>(fiber->stack);
    if (at >= stack - page_bytes() && at < stack) return true;
  }
  return false;
}

}  // namespace cuda_sim
