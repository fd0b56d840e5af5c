// What one JavaScript environment (the main thread's, or a worker's) has of this addon.
#pragma once
#include <napi.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "failure.h"
#include "mailbox.h"
#include "worker.h"

namespace lowlat_trt {

class EventChannel;

/** What the end of the environment has to destroy if JavaScript has not. */
class Perishable {
 public:
  virtual ~Perishable() = default;
  /** Contexts before engines. */
  virtual int turn() const = 0;
  /** No thread runs any more; JavaScript's thread. Does nothing the second time. */
  virtual void perish() = 0;
};

/** A promise that a thread works for. JavaScript's thread only. */
struct Pending {
  explicit Pending(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise::Deferred deferred;
  /** Kept alive until native code is done with them. */
  std::vector<Napi::ObjectReference> retained;
  /** Whose events are delivered before the promise settles; closed then, unless they outlive a success. */
  std::shared_ptr<EventChannel> events;
  bool keeps_events = false;
  /** Called first, whatever comes. */
  std::function<void()> settled;
};

class Instance : public std::enable_shared_from_this<Instance> {
 public:
  static std::shared_ptr<Instance> create(Napi::Env env);
  static std::shared_ptr<Instance> of(Napi::Env env);

  Mailbox& mailbox() { return *mailbox_; }
  std::shared_ptr<Worker> worker() { return std::make_shared<Worker>(threads_); }
  /** Once set, threads start nothing more that takes long. */
  bool closing() const { return closing_; }

  /**
   * Cancels what is cancellable and waits for all threads; from then on nothing reaches JavaScript. May be called from JavaScript's
   * thread, and from the one that ends the process.
   */
  void shut_down();

  /** Called by `shut_down`, once; or never, if removed before. From any thread. */
  uint64_t add_cancellation(std::function<void()> cancel);
  void remove_cancellation(uint64_t id);

  void add(std::weak_ptr<Perishable> perishable);

  /** Makes sure that the threads are joined before the process ends, by whatever way. Called once a library is open. */
  void watch_exit(Napi::Env env);

  // JavaScript's thread only:
  uint64_t begin(Pending pending);
  /** Null after the environment's end. */
  Pending* pending(uint64_t id);
  void settle(uint64_t id, const std::function<void(Pending&)>& how);

  Napi::FunctionReference engine_class, context_class, library_class;
  std::map<uint64_t, Napi::FunctionReference> callbacks;
  uint64_t next_id = 1;

 private:
  static void clean_up(void* data);

  std::shared_ptr<Mailbox> mailbox_;
  std::shared_ptr<ThreadGroup> threads_ = std::make_shared<ThreadGroup>();
  std::atomic<bool> closing_{false};
  std::mutex mutex_;
  std::map<uint64_t, std::function<void()>> cancellations_;
  std::vector<std::weak_ptr<Perishable>> perishables_;
  uint64_t next_cancellation_ = 1;
  std::map<uint64_t, Pending> pending_;
  bool watches_exit_ = false;
};

}  // namespace lowlat_trt
