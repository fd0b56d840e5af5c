#include "faults.h"

#include <signal.h>
#include <sys/mman.h>

#include <cstdio>
#include <string>

#include "grid.h"

namespace cuda_sim {
namespace {

__thread bool on_device_thread __attribute__((tls_model("initial-exec"))) = false;
struct sigaction previous[2];

void on_fault(int signal, siginfo_t* info, void* context) {
  if (on_device_thread && running_grid && current) {
    char address[32];
    std::snprintf(address, sizeof address, "%p", info->si_addr);
    if (in_stack_guard(info->si_addr)) fail_kernel(CUDA_ERROR_LAUNCH_FAILED, "the stack of a simulated thread is full");
    fail_kernel(CUDA_ERROR_ILLEGAL_ADDRESS, std::string("access to memory that is not allocated, at ") + address);
  }
  // Not ours: what was there before decides.
  const struct sigaction& other = previous[signal == SIGBUS];
  if (other.sa_flags & SA_SIGINFO) {
    other.sa_sigaction(signal, info, context);
  } else if (other.sa_handler != SIG_DFL && other.sa_handler != SIG_IGN) {
    other.sa_handler(signal);
  } else {
    // Returning repeats the access, now with the default action.
    ::signal(signal, SIG_DFL);
  }
}

}  // namespace

void catch_memory_faults() {
  on_device_thread = true;
  // Also under AddressSanitizer, whose own handler Node.js takes away when it starts.
  // The handler leaves to the device's thread and never returns, so the signal must stay unblocked; a stack of its own also
  // serves when a fiber's is full.
  static char stack[64 << 10];
  stack_t alternative = {};
  alternative.ss_sp = stack;
  alternative.ss_size = sizeof stack;
  sigaltstack(&alternative, nullptr);
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigaction(SIGSEGV, &action, &previous[0]);
  sigaction(SIGBUS, &action, &previous[1]);
}

}  // namespace cuda_sim
