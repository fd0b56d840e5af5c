// From any thread to JavaScript's, without waiting for it.
#pragma once
#include <napi.h>

#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace lowlat_trt {

/** Letters are opened in JavaScript's thread in the order of posting. */
class Mailbox : public std::enable_shared_from_this<Mailbox> {
 public:
  using Letter = std::function<void(Napi::Env)>;

  /** Does not keep the process alive. */
  static std::shared_ptr<Mailbox> create(Napi::Env env);
  ~Mailbox() = default;

  /** From any thread. A closed mailbox drops the letter. */
  void post(Letter letter);
  /** JavaScript's thread: while something is held, the process stays alive. */
  void hold();
  void let_go();
  /** JavaScript's thread, or when the process ends: nothing is delivered any more. */
  void close();
  /** JavaScript's thread, after `close`, while the environment lives. */
  void release();

 private:
  Mailbox() = default;
  static void deliver(napi_env env, napi_value callback, void* context, void* data);
  void open_letters(Napi::Env env);

  napi_env env_ = nullptr;
  napi_threadsafe_function wake_ = nullptr;
  size_t held_ = 0;
  std::mutex mutex_;
  std::deque<Letter> letters_;
  bool woken_ = false, closed_ = false;
};

/** Calls what may throw into JavaScript where nobody catches: what it throws becomes an uncaught exception of the process. */
void call_out(Napi::Env env, const std::function<void()>& action);

}  // namespace lowlat_trt
