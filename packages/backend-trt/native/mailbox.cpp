#include "mailbox.h"

#include <ctime>

#include "values.h"

namespace lowlat_trt {

namespace {

/** Letters are opened for so long, then the event loop has its turn. */
constexpr int64_t turn_ns = 1'000'000;

int64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

}  // namespace

std::shared_ptr<Mailbox> Mailbox::create(Napi::Env env) {
  std::shared_ptr<Mailbox> mailbox(new Mailbox);
  mailbox->env_ = env;
  // The function's own copy lets a wake-up that is under way find the mailbox.
  auto* own = new std::shared_ptr<Mailbox>(mailbox);
  const napi_status status = napi_create_threadsafe_function(
      env, nullptr, nullptr, Napi::String::New(env, "lowlat-trt"), 0, 1, own,
      [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<Mailbox>*>(data); }, own, deliver, &mailbox->wake_);
  if (status != napi_ok) {
    delete own;
    throw Napi::Error::New(env);
  }
  napi_unref_threadsafe_function(env, mailbox->wake_);
  return mailbox;
}

void Mailbox::post(Letter letter) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (closed_) return;
  letters_.push_back(std::move(letter));
  if (woken_) return;
  woken_ = true;
  // Under the lock, since `close` may run at the same time; it never waits.
  napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
}

void Mailbox::hold() {
  if (held_++ == 0 && wake_) napi_ref_threadsafe_function(env_, wake_);
}

void Mailbox::let_go() {
  if (--held_ == 0 && wake_) napi_unref_threadsafe_function(env_, wake_);
}

void Mailbox::close() {
  const std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
}

void Mailbox::release() {
  letters_.clear();
  if (wake_) napi_release_threadsafe_function(wake_, napi_tsfn_abort);
  wake_ = nullptr;
}

void Mailbox::deliver(napi_env env, napi_value, void* context, void*) {
  if (!env) return;  // the environment ends
  const std::shared_ptr<Mailbox> self = *static_cast<std::shared_ptr<Mailbox>*>(context);
  self->open_letters(env);
}

void Mailbox::open_letters(Napi::Env env) {
  const int64_t end = now_ns() + turn_ns;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    woken_ = false;
  }
  for (;;) {
    Letter letter;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (closed_ || letters_.empty()) return;
      if (now_ns() >= end) {
        if (woken_) return;
        woken_ = true;
        napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
        return;
      }
      letter = std::move(letters_.front());
      letters_.pop_front();
    }
    const Napi::HandleScope scope(env);
    call_out(env, [&] { letter(env); });
  }
}

void call_out(Napi::Env env, const std::function<void()>& action) {
  try {
    guard(env, [&]() -> Napi::Value {
      action();
      return {};
    });
  } catch (const Napi::Error& error) {
    napi_fatal_exception(env, error.Value());
  }
}

}  // namespace lowlat_trt
