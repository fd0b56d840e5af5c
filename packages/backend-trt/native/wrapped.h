// Native state behind JavaScript objects that only we construct.
#pragma once
#include <napi.h>

#include <memory>
#include <utility>

#include "failure.h"

namespace lowlat_trt {

/**
 * An object whose constructor takes its state from `create`; called by anybody else it throws. `state()` throws DISPOSED once it was
 * taken away.
 */
template <class Self, class State>
class Wrapped : public Napi::ObjectWrap<Self> {
 public:
  static Napi::Object create(const Napi::FunctionReference& constructor, std::shared_ptr<State> state) {
    next() = std::move(state);
    return constructor.New({});
  }

 protected:
  explicit Wrapped(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Self>(info), state_(std::move(next())) {
    next() = nullptr;
    if (!state_) throw Napi::TypeError::New(info.Env(), "Illegal constructor");
  }

  const std::shared_ptr<State>& state() const {
    if (!state_) throw Failure{"DISPOSED", std::string(Self::what) + " was disposed", {}};
    return state_;
  }
  bool has_state() const { return state_ != nullptr; }
  std::shared_ptr<State> take_state() { return std::exchange(state_, nullptr); }

 private:
  static std::shared_ptr<State>& next() {
    static thread_local std::shared_ptr<State> value;
    return value;
  }
  std::shared_ptr<State> state_;
};

}  // namespace lowlat_trt
