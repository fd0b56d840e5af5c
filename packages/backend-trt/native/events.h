// What TensorRT says while it works, from its threads to a JavaScript function.
#pragma once
#include <napi.h>

#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "failure.h"
#include "instance.h"

namespace lowlat_trt {

struct Event {
  enum class Kind { log, phase_start, step, phase_end };
  Kind kind;
  /** Message or phase. */
  std::string text;
  Severity severity = Severity::info;
  std::string parent{};
  /** Steps of a phase, or which of them is done. */
  int32_t number = 0;
};

/** A bounded queue to one JavaScript function: where it does not keep up, messages that only inform are dropped and counted. */
class EventChannel : public std::enable_shared_from_this<EventChannel> {
 public:
  /** JavaScript's thread. */
  static std::shared_ptr<EventChannel> create(const std::shared_ptr<Instance>& instance, const Napi::Function& callback);

  /** From any thread. */
  void push(Event event) noexcept;
  /** JavaScript's thread: delivers some of what is queued. @returns whether more is. */
  bool flush(Napi::Env env);
  /** JavaScript's thread: nothing is delivered from now on. */
  void close();

 private:
  EventChannel() = default;
  void wake();

  std::weak_ptr<Instance> instance_;
  uint64_t callback_ = 0;
  std::mutex mutex_;
  std::deque<Event> events_;
  size_t dropped_ = 0;
  bool woken_ = false, closed_ = false;
};

const char* severity_name(Severity severity);
/** @throws Failure INVALID_ARGUMENT. */
Severity severity_of(const std::string& name);
Napi::Object to_object(Napi::Env env, const LogMessage& message);

}  // namespace lowlat_trt
