#include "events.h"

namespace lowlat_trt {

namespace {

/** From then on, messages that only inform are dropped. */
constexpr size_t crowded = 4096;
/** From then on everything is. */
constexpr size_t full = 16384;
/** Events of one turn of the event loop. */
constexpr size_t turn = 128;

const char* const severity_names[] = {"internal-error", "error", "warning", "info", "verbose"};

Napi::Object to_object(Napi::Env env, const Event& event) {
  Napi::Object object = Napi::Object::New(env);
  switch (event.kind) {
    case Event::Kind::log:
      object = to_object(env, LogMessage{event.severity, event.text});
      object.Set("kind", "log");
      break;
    case Event::Kind::phase_start:
      object.Set("kind", "phase-start");
      object.Set("phase", event.text);
      if (!event.parent.empty()) object.Set("parent", event.parent);
      object.Set("steps", event.number);
      break;
    case Event::Kind::step:
      object.Set("kind", "step");
      object.Set("phase", event.text);
      object.Set("step", event.number);
      break;
    case Event::Kind::phase_end:
      object.Set("kind", "phase-end");
      object.Set("phase", event.text);
      break;
  }
  return object;
}

bool only_informs(const Event& event) {
  return event.kind == Event::Kind::step || (event.kind == Event::Kind::log && event.severity >= Severity::info);
}

}  // namespace

const char* severity_name(Severity severity) { return severity_names[static_cast<int>(severity)]; }

Severity severity_of(const std::string& name) {
  for (int index = 0; index < 5; index++)
    if (name == severity_names[index]) return static_cast<Severity>(index);
  throw Failure{"INVALID_ARGUMENT", "Expected a severity from internal-error to verbose, got '" + name + "'", {}};
}

Napi::Object to_object(Napi::Env env, const LogMessage& message) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("severity", severity_name(message.severity));
  object.Set("message", message.text);
  return object;
}

std::shared_ptr<EventChannel> EventChannel::create(const std::shared_ptr<Instance>& instance, const Napi::Function& callback) {
  std::shared_ptr<EventChannel> channel(new EventChannel);
  channel->instance_ = instance;
  channel->callback_ = instance->next_id++;
  instance->callbacks.emplace(channel->callback_, Napi::Persistent(callback));
  return channel;
}

void EventChannel::push(Event event) noexcept {
  try {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return;
    if (events_.size() >= full || (events_.size() >= crowded && only_informs(event))) {
      dropped_++;
      return;
    }
    events_.push_back(std::move(event));
    if (woken_) return;
    woken_ = true;
    wake();
  } catch (const std::exception&) {
    // Out of memory: a message is lost, the work goes on.
  }
}

void EventChannel::wake() {
  const std::shared_ptr<Instance> instance = instance_.lock();
  if (!instance) return;
  instance->mailbox().post([self = shared_from_this()](Napi::Env env) {
    self->flush(env);
    const std::lock_guard<std::mutex> lock(self->mutex_);
    self->woken_ = !self->events_.empty();
    if (self->woken_) self->wake();
  });
}

bool EventChannel::flush(Napi::Env env) {
  const std::shared_ptr<Instance> instance = instance_.lock();
  if (!instance) return false;
  std::deque<Event> events;
  size_t dropped = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    while (!events_.empty() && events.size() < turn) {
      events.push_back(std::move(events_.front()));
      events_.pop_front();
    }
    if (events_.empty()) std::swap(dropped, dropped_);
  }
  if (dropped > 0) {
    Event notice{Event::Kind::log, std::to_string(dropped) + " messages were dropped: the event loop did not keep up"};
    notice.severity = Severity::warning;
    events.push_back(std::move(notice));
  }
  for (const Event& event : events) {
    const auto callback = instance->callbacks.find(callback_);
    if (callback == instance->callbacks.end()) return false;  // closed
    const Napi::HandleScope scope(env);
    call_out(env, [&] { callback->second.Call({to_object(env, event)}); });
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  return !events_.empty();
}

void EventChannel::close() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    events_.clear();
  }
  if (const std::shared_ptr<Instance> instance = instance_.lock()) instance->callbacks.erase(callback_);
}

}  // namespace lowlat_trt
