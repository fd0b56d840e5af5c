// Work in a thread that a promise stands for.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "events.h"
#include "instance.h"
#include "values.h"

namespace lowlat_trt {

/** How a job ended, on its way to its promise: a letter. */
template <class Result>
struct Delivery {
  std::shared_ptr<Instance> instance;
  uint64_t id;
  std::shared_ptr<std::optional<Result>> result;
  std::shared_ptr<std::optional<Failure>> failure;
  std::function<Napi::Value(Napi::Env, Result&, Pending&)> deliver;

  void operator()(Napi::Env env) const {
    const Pending* open = instance->pending(id);
    if (!open) return;
    // A build's events come first, some each turn of the event loop. Those of an engine go on anyway.
    if (open->events && open->events->flush(env) && !open->keeps_events) return instance->mailbox().post(*this);
    instance->settle(id, [&](Pending& settled) {
      if (settled.events && (*failure || !settled.keeps_events)) settled.events->close();
      try {
        if (*failure) throw **failure;
        settled.deferred.Resolve(deliver(env, **result, settled));
      } catch (const Napi::Error& error) {
        settled.deferred.Reject(error.Value());
      } catch (...) {
        settled.deferred.Reject(to_error(env, failure_of_exception()).Value());
      }
    });
  }
};

/**
 * Runs `work` in the worker, then `deliver` in JavaScript's thread with its result; the promise gets what that returns. `work` and its
 * result may be destroyed in either thread; `deliver` only uses what both may destroy.
 */
template <class Result>
Napi::Promise start_job(Napi::Env env, const std::shared_ptr<Instance>& instance, Worker& worker, Pending pending,
                        std::function<Result()> work, std::function<Napi::Value(Napi::Env, Result&, Pending&)> deliver) {
  const Napi::Promise promise = pending.deferred.Promise();
  const uint64_t id = instance->begin(std::move(pending));
  const auto task = [instance, id, work = std::move(work), deliver = std::move(deliver)] {
    Delivery<Result> delivery{instance, id, std::make_shared<std::optional<Result>>(), std::make_shared<std::optional<Failure>>(), deliver};
    try {
      if (instance->closing()) throw Failure{"DISPOSED", "The environment is ending", {}};
      delivery.result->emplace(work());
    } catch (...) {
      delivery.failure->emplace(failure_of_exception());
    }
    instance->mailbox().post(std::move(delivery));
  };
  const auto refuse = [&](const Failure& failure) {
    instance->settle(id, [&](Pending& refused) {
      if (refused.events) refused.events->close();
      refused.deferred.Reject(to_error(env, failure).Value());
    });
  };
  try {
    if (!worker.post(task)) refuse({"DISPOSED", "The engine was disposed", {}});
  } catch (...) {
    refuse(failure_of_exception());
  }
  return promise;
}

/**
 * Runs `destroy` in the worker after what is queued there, also while the environment ends; at once where the worker has ended. The
 * worker takes nothing more if `finish` is set.
 */
inline Napi::Promise start_destruction(const std::shared_ptr<Instance>& instance, Worker& worker, bool finish, Pending pending,
                                       const std::function<void()>& destroy) {
  const Napi::Promise promise = pending.deferred.Promise();
  const uint64_t id = instance->begin(std::move(pending));
  const auto settle = [instance, id](Napi::Env env) {
    instance->settle(id, [env](Pending& settled) {
      if (settled.events) settled.events->close();
      settled.deferred.Resolve(env.Undefined());
    });
  };
  const bool posted = worker.post([instance, destroy, settle] {
    destroy();
    instance->mailbox().post(settle);
  });
  if (finish) worker.finish();
  if (posted) return promise;
  destroy();
  settle(promise.Env());
  return promise;
}

}  // namespace lowlat_trt
