#include "driver.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace cuda_sim {
namespace {

thread_local Context* current_on_thread = nullptr;
thread_local bool in_host_function = false;
thread_local int capture_mode = capture_global;

double number_from_environment(const char* name, double otherwise) {
  const char* text = std::getenv(name);
  return text && *text ? std::strtod(text, nullptr) : otherwise;
}

}  // namespace

Driver::Driver() { reset_control(); }

void Driver::reset_control() {
  devices = static_cast<int>(number_from_environment("LOWLAT_CUDA_SIM_DEVICES", 1));
  const int capability = static_cast<int>(number_from_environment("LOWLAT_CUDA_SIM_COMPUTE_CAPABILITY", 9.0) * 10 + 0.5);
  compute_major = capability / 10;
  compute_minor = capability % 10;
  memory_limit = static_cast<size_t>(number_from_environment("LOWLAT_CUDA_SIM_MEMORY_MB", 8192)) << 20;
  seed = static_cast<uint64_t>(number_from_environment("LOWLAT_CUDA_SIM_SEED", 0));
  strict_context = number_from_environment("LOWLAT_CUDA_SIM_STRICT_CONTEXT", 0) != 0;
  launches = leaked = faults_fired = 0;
  faults.clear();
  calls.clear();
  message.clear();
  lost = CUDA_SUCCESS;
  held = false;
}

Driver& driver() {
  // Never destroyed: threads may use it while the process ends.
  static Driver* instance = new Driver;
  return *instance;
}

void set_in_host_function(bool inside) { in_host_function = inside; }
int exchange_capture_mode(int mode) { return std::exchange(capture_mode, mode); }

Context* current_context() { return current_on_thread; }
void set_current_context(Context* context) { current_on_thread = context; }

CUresult take_fault(const std::string& name) {
  Driver& d = driver();
  CUresult status = CUDA_SUCCESS;
  for (size_t i = d.faults.size(); i-- > 0;) {
    Fault& fault = d.faults[i];
    const bool counts = fault.name.empty() ? name != kernel_fault : fault.name == name;
    if (!counts || --fault.calls_left) continue;
    status = fault.status;
    d.faults_fired++;
    d.faults.erase(d.faults.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return status;
}

Call::Call(const char* name, unsigned needs) : lock_(driver().mutex) { refusal_ = check(name, needs); }

/** What the call is refused with. Errors that destroying calls return although they take effect go to `late_`. */
CUresult Call::check(const char* name, unsigned needs) {
  Driver& d = driver();
  d.calls[name]++;
  // The real driver may, and may also deadlock.
  if (in_host_function) return CUDA_ERROR_NOT_PERMITTED;
  late_ = take_fault(name);
  if (late_ != CUDA_SUCCESS && !(needs & destroys)) return late_;
  if (!(needs & needs_init)) return CUDA_SUCCESS;
  if (!d.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (late_ == CUDA_SUCCESS) late_ = d.lost;
  if ((needs & needs_context) == needs_context || (needs & needs_object_context & ~needs_init && d.strict_context)) {
    context_ = current_on_thread;
    if (!context_) return CUDA_ERROR_INVALID_CONTEXT;
    if (!context_->alive) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    if (late_ == CUDA_SUCCESS) late_ = context_->error;
  }
  if (late_ != CUDA_SUCCESS && !(needs & destroys)) return late_;
  return needs & unsafe_in_capture ? check_captures() : CUDA_SUCCESS;
}

CUresult Call::check_captures() {
  CUresult status = CUDA_SUCCESS;
  const auto me = std::this_thread::get_id();
  if (capture_mode == capture_relaxed) return status;
  for (const auto& capture : driver().captures) {
    const bool others_count = capture->mode == capture_global && capture_mode == capture_global;
    if (capture->mode == capture_relaxed || (capture->thread != me && !others_count)) continue;
    capture->invalid = true;
    status = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  return status;
}

CUresult Call::result(CUresult status) const {
  if (late_ != CUDA_SUCCESS) return late_;
  // Work that failed while the call waited.
  if (status == CUDA_SUCCESS && context_) return driver().lost != CUDA_SUCCESS ? driver().lost : context_->error;
  return status;
}

Stream* find_stream(const Call& call, const void* handle) {
  if (reinterpret_cast<uintptr_t>(handle) <= 1) return call.context() ? &call.context()->legacy : nullptr;
  return driver().streams.find(handle);
}

void set_error(Context& context, CUresult status, const std::string& message) {
  Driver& d = driver();
  d.message = message;
  std::fprintf(stderr, "cuda-sim: %s\n", message.c_str());
  if (context.error == CUDA_SUCCESS) context.error = status;
}

void destroy_primary(std::unique_lock<std::mutex>& lock) {
  Driver& d = driver();
  finish_all(lock);
  Context& context = *d.primary;
  check_memory(context, "when the context was released");
  d.leaked += d.streams.size() + d.events.size() + d.modules.size() + d.graphs.size() + d.execs.size() +
              d.memory.count(MemoryKind::device) + d.memory.count(MemoryKind::pinned);
  d.captures.clear();
  d.execs.clear();
  d.graphs.clear();
  d.events.clear();
  d.streams.clear();
  for (const auto& [handle, module] : d.modules)
    for (const auto& [name, function] : module->functions) function->loaded = false;
  d.modules.clear();
  d.memory.free_all();
  context.alive = false;
  d.primary = nullptr;
}

void check_memory(Context& context, const std::string& after) {
  const std::string damage = driver().memory.damage();
  if (!damage.empty() && context.error == CUDA_SUCCESS) set_error(context, CUDA_ERROR_ILLEGAL_ADDRESS, after + ": " + damage);
}

}  // namespace cuda_sim
