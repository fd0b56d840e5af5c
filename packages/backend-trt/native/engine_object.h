#pragma once
#include "engine.h"
#include "wrapped.h"

namespace lowlat_trt {

/** NativeEngine of src/native.ts. */
class EngineObject : public Wrapped<EngineObject, Engine> {
 public:
  static constexpr const char* what = "The engine";
  static Napi::FunctionReference define(Napi::Env env);
  /** @param plan_bytes about what the engine takes of the host's memory. */
  static Napi::Value wrap(Napi::Env env, const std::shared_ptr<Engine>& engine, const EngineFacts& facts, size_t plan_bytes);

  explicit EngineObject(const Napi::CallbackInfo& info) : Wrapped(info) {}
  ~EngineObject() override;

 private:
  /** The engine, unless its weights are being replaced. @throws Failure DISPOSED, BUSY. */
  const std::shared_ptr<Engine>& ready(const char* call) const;
  Napi::Value profile_shape(const Napi::CallbackInfo& info);
  Napi::Value profile_values(const Napi::CallbackInfo& info);
  Napi::Value device_memory(const Napi::CallbackInfo& info);
  Napi::Value weight_streaming(const Napi::CallbackInfo& info);
  Napi::Value set_weight_streaming_budget(const Napi::CallbackInfo& info);
  Napi::Value inspect(const Napi::CallbackInfo& info);
  Napi::Value inspect_layer(const Napi::CallbackInfo& info);
  Napi::Value serialize(const Napi::CallbackInfo& info);
  Napi::Value refit(const Napi::CallbackInfo& info);
  Napi::Value create_context(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  Napi::ObjectReference disposal_;
  int64_t accounted_ = 0;
};

/** 'json' or 'oneline' in TensorRT's spelling. @throws Failure INVALID_ARGUMENT. */
std::string format_of(const Napi::Value& value);

}  // namespace lowlat_trt
