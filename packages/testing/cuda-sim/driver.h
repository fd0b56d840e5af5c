// The state of the driver, guarded by one mutex, and what all its calls begin with.
#pragma once
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "memory.h"
#include "objects.h"

#define CUDA_SIM_API extern "C" __attribute__((visibility("default")))

namespace cuda_sim {

/** Objects of one kind by their handles, which are their addresses. */
template <typename T>
class Registry {
 public:
  T* add(std::shared_ptr<T> object) {
    T* handle = object.get();
    objects_.emplace(handle, std::move(object));
    return handle;
  }
  T* find(const void* handle) const {
    const auto found = objects_.find(handle);
    return found == objects_.end() ? nullptr : found->second.get();
  }
  /** For whoever uses it while others may destroy it; empty if there is none. */
  std::shared_ptr<T> share(const void* handle) const {
    const auto found = objects_.find(handle);
    return found == objects_.end() ? nullptr : found->second;
  }
  bool remove(const void* handle) { return objects_.erase(handle) != 0; }
  size_t size() const { return objects_.size(); }
  void clear() { objects_.clear(); }
  auto begin() const { return objects_.begin(); }
  auto end() const { return objects_.end(); }

 private:
  std::map<const void*, std::shared_ptr<T>> objects_;
};

/** Named by faults of kernels that start on the device. */
inline constexpr const char* kernel_fault = "kernel";

struct Fault {
  /** Of a driver call, or `kernel_fault` for kernels that start on the device. Empty: any call. */
  std::string name;
  uint64_t calls_left;
  CUresult status;
};

struct Driver {
  std::mutex mutex;
  /** Work was queued; a command ended. */
  std::condition_variable queued, ended;
  bool device_thread_started = false;
  bool held = false;
  bool strict_context = false;
  /** The device's thread runs a command of this stream, without the mutex. */
  Stream* running = nullptr;

  bool initialized = false;
  int devices = 1, compute_major = 9, compute_minor = 0;
  size_t memory_limit = 0;
  uint64_t seed = 0, launches = 0, sequence = 0, captures_begun = 0;

  std::vector<std::unique_ptr<Context>> contexts;
  /** The one that is alive; null before the first retain and after the last release. */
  Context* primary = nullptr;
  Registry<Stream> streams;
  Registry<Event> events;
  Registry<Module> modules;
  Registry<Graph> graphs;
  Registry<GraphExec> execs;
  Memory memory;
  std::set<std::shared_ptr<Capture>> captures;

  // Control
  std::vector<Fault> faults;
  uint64_t faults_fired = 0;
  CUresult lost = CUDA_SUCCESS;
  std::map<std::string, uint64_t> calls;
  /** Objects that were left when a context's last release destroyed them. */
  uint64_t leaked = 0;
  std::string message;

  Driver();
  /** What the environment says, and nothing counted or injected. */
  void reset_control();
};

Driver& driver();

/** What a test wants to go wrong here; counts this call, or this start of a kernel. */
CUresult take_fault(const std::string& name);

/** What a call wants before it looks at its arguments. */
enum Needs : unsigned {
  needs_nothing = 0,
  needs_init = 1,
  needs_context = 2 | needs_init,
  /**
   * For waiting and asking: the object's own context serves where none is current, unless `strict_context` is set. NVIDIA's
   * documentation leaves open what the real driver does.
   */
  needs_object_context = 16 | needs_init,
  /** May not be called while another stream is captured, unless the capture is relaxed. */
  unsafe_in_capture = 4,
  /** Takes effect also when an earlier error or an injected one is returned, as the real driver's destroying calls may. */
  destroys = 8,
};

/** Every driver call makes one first. Holds the mutex while it lives. */
class Call {
 public:
  Call(const char* name, unsigned needs);
  /** Unless it is success, the call ends here with it. */
  CUresult refusal() const { return refusal_; }
  /** What the call returns if `status` is how its own work went. */
  CUresult result(CUresult status = CUDA_SUCCESS) const;
  Context* context() const { return context_; }
  /** Errors of this context are the call's. */
  void use(Context& context) { context_ = &context; }
  std::unique_lock<std::mutex>& lock() { return lock_; }

 private:
  std::unique_lock<std::mutex> lock_;
  Context* context_ = nullptr;
  CUresult check(const char* name, unsigned needs);
  CUresult check_captures();
  CUresult refusal_ = CUDA_SUCCESS, late_ = CUDA_SUCCESS;
};

#define CUDA_SIM_CALL(name, needs)          \
  ::cuda_sim::Call call(#name, needs);      \
  if (call.refusal() != CUDA_SUCCESS) return call.refusal()

/** Set in the device's thread while it calls a function of the host: driver calls are refused there. */
void set_in_host_function(bool inside);
/** CUstreamCaptureMode of the calling thread; returns what it was. */
int exchange_capture_mode(int mode);

Context* current_context();
void set_current_context(Context* context);

/** The stream of a handle: null and 1 name the legacy stream. Null if there is none. */
Stream* find_stream(const Call& call, const void* handle);
/** Starts the device's thread if need be and queues; the mutex is held. */
void enqueue(Stream& stream, Command command);
/** Work in the legacy stream waits for blocking streams, which cannot be while one is captured. */
CUresult check_implicit(Stream& stream);
/** Queues a node, or adds it to the graph if the stream is being captured. */
CUresult submit(Stream& stream, Node node);
/** Waits, without holding the mutex meanwhile, until everything queued by now has ended. */
void finish(Call& call, Stream& stream);
void finish_all(std::unique_lock<std::mutex>& lock);
/** Destroys what is left of the primary context, counting it as leaked. */
void destroy_primary(std::unique_lock<std::mutex>& lock);
/** Sets the sticky error and notes why. */
void set_error(Context& context, CUresult status, const std::string& message);
/** Memory next to allocations was written: sets the sticky error. */
void check_memory(Context& context, const std::string& after);
/** Time that a node takes by the cost model, in microseconds. */
double cost_us(const Node& node, const Work& work, bool in_graph);

}  // namespace cuda_sim
