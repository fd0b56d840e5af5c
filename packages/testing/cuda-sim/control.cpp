// What tests reach beside the driver's own calls: counters, faults, schedules.
#include <cstring>

#include "driver.h"

using namespace cuda_sim;

/** How many of a kind exist; -1 for a kind that is not known. */
CUDA_SIM_API double cudasim_count(const char* kind) {
  Driver& d = driver();
  const std::lock_guard<std::mutex> lock(d.mutex);
  const std::map<std::string, size_t> counts = {
      {"contexts", d.primary ? d.primary->retained : 0},
      {"streams", d.streams.size()},
      {"events", d.events.size()},
      {"modules", d.modules.size()},
      {"graphs", d.graphs.size()},
      {"graphExecs", d.execs.size()},
      {"deviceAllocations", d.memory.count(MemoryKind::device)},
      {"deviceBytes", d.memory.bytes(MemoryKind::device)},
      {"pinnedAllocations", d.memory.count(MemoryKind::pinned)},
      {"pinnedBytes", d.memory.bytes(MemoryKind::pinned)},
      {"leaked", d.leaked},
      {"faultsFired", d.faults_fired},
  };
  const auto found = counts.find(kind);
  return found == counts.end() ? -1 : static_cast<double>(found->second);
}

/** 0: in order; others shuffle threads, warps, blocks and nodes of graphs from the next launch on. */
CUDA_SIM_API void cudasim_set_seed(double seed) {
  Driver& d = driver();
  const std::lock_guard<std::mutex> lock(d.mutex);
  d.seed = static_cast<uint64_t>(seed);
  d.launches = 0;
}

/** The n-th call from now (1: the next) of this name, or of any if it is null or empty, gives `status`; "kernel": see Fault. */
CUDA_SIM_API void cudasim_fail_call(const char* name, double n, int status) {
  Driver& d = driver();
  const std::lock_guard<std::mutex> lock(d.mutex);
  d.faults.push_back({name ? name : "", static_cast<uint64_t>(n), static_cast<CUresult>(status)});
}

CUDA_SIM_API void cudasim_clear_faults() {
  Driver& d = driver();
  const std::lock_guard<std::mutex> lock(d.mutex);
  d.faults.clear();
}

/** Every call gives `status` and queued work is dropped, until it is set to 0. */
CUDA_SIM_API void cudasim_lose_device(int status) {
  Driver& d = driver();
  const std::lock_guard<std::mutex> lock(d.mutex);
  d.lost = static_cast<CUresult>(status);
  d.queued.notify_one();
}

CUDA_SIM_API void cudasim_set_memory_limit(double bytes) {
  Driver& d = driver();
  const std::lock_guard<std::mutex> lock(d.mutex);
  d.memory_limit = static_cast<size_t>(bytes);
}

/** Held, the device starts nothing more: work stays queued. */
CUDA_SIM_API void cudasim_hold(int held) {
  Driver& d = driver();
  const std::lock_guard<std::mutex> lock(d.mutex);
  d.held = held != 0;
  d.queued.notify_one();
}

/** Calls since the start or the last reset: of this name, or of all if it is null or empty. */
CUDA_SIM_API double cudasim_calls(const char* name) {
  Driver& d = driver();
  const std::lock_guard<std::mutex> lock(d.mutex);
  uint64_t count = 0;
  for (const auto& [called, times] : d.calls)
    if (!name || !*name || called == name) count += times;
  return static_cast<double>(count);
}

/** Lines of a name, a space and a count. Returns the bytes needed; writes at most `size`, ended by a zero byte. */
CUDA_SIM_API double cudasim_call_log(char* text, double size) {
  Driver& d = driver();
  const std::lock_guard<std::mutex> lock(d.mutex);
  std::string log;
  for (const auto& [name, times] : d.calls) log += name + " " + std::to_string(times) + "\n";
  if (log.size() < size) std::memcpy(text, log.c_str(), log.size() + 1);
  return static_cast<double>(log.size() + 1);
}

CUDA_SIM_API void cudasim_reset_calls() {
  Driver& d = driver();
  const std::lock_guard<std::mutex> lock(d.mutex);
  d.calls.clear();
}

/** What went wrong last: which kernel and why. Valid until the next call. */
CUDA_SIM_API const char* cudasim_message() {
  static std::string copy;
  Driver& d = driver();
  const std::lock_guard<std::mutex> lock(d.mutex);
  copy = d.message;
  return copy.c_str();
}

/** Waiting and asking without a current context is refused (1) or served by the object's own (0). */
CUDA_SIM_API void cudasim_require_context(int required) {
  Driver& d = driver();
  const std::lock_guard<std::mutex> lock(d.mutex);
  d.strict_context = required != 0;
}

/** As in a fresh process: queued work is dropped, objects and contexts are destroyed, nothing is counted or injected. */
CUDA_SIM_API void cudasim_reset() {
  Driver& d = driver();
  std::unique_lock<std::mutex> lock(d.mutex);
  if (d.primary) {
    d.lost = CUDA_ERROR_DEINITIALIZED;
    destroy_primary(lock);
  }
  d.reset_control();
  d.initialized = false;
  d.queued.notify_one();
}
