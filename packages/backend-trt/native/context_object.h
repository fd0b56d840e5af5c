#pragma once
#include "context.h"
#include "wrapped.h"

namespace lowlat_trt {

/** NativeContext of src/native.ts. */
class ContextObject : public Wrapped<ContextObject, Context> {
 public:
  static constexpr const char* what = "The context";
  static Napi::FunctionReference define(Napi::Env env);
  /** @param engine the engine's object, which lives as long as this one. */
  static Napi::Value wrap(const std::shared_ptr<Context>& context, const Napi::Object& engine);

  explicit ContextObject(const Napi::CallbackInfo& info) : Wrapped(info) {}
  ~ContextObject() override;

 private:
  /**
   * Runs a call in JavaScript's thread. The body reads no elements of arrays or objects, whose getters might dispose the context.
   * @throws to JavaScript: DISPOSED, BUSY, and what the body throws.
   */
  template <class Body>
  Napi::Value run(const Napi::CallbackInfo& info, const char* call, const Body& body);
  /** Runs a call in the engine's thread. */
  Napi::Value run_in_thread(const Napi::CallbackInfo& info, const char* call, std::function<void(Context&)> body);
  const std::shared_ptr<Context>& ready(const char* call) const;

  Napi::Value set_profile(const Napi::CallbackInfo& info);
  Napi::Value set_profile_in_thread(const Napi::CallbackInfo& info);
  Napi::Value set_input_shape(const Napi::CallbackInfo& info);
  Napi::Value infer_shapes(const Napi::CallbackInfo& info);
  Napi::Value shape_of(const Napi::CallbackInfo& info);
  Napi::Value strides_of(const Napi::CallbackInfo& info);
  Napi::Value max_output_bytes(const Napi::CallbackInfo& info);
  Napi::Value set_address(const Napi::CallbackInfo& info);
  Napi::Value allocate_output(const Napi::CallbackInfo& info);
  Napi::Value allocated(const Napi::CallbackInfo& info);
  Napi::Value set_device_memory(const Napi::CallbackInfo& info);
  Napi::Value memory_for_shapes(const Napi::CallbackInfo& info);
  Napi::Value set_aux_streams(const Napi::CallbackInfo& info);
  Napi::Value set_persistent_cache_limit(const Napi::CallbackInfo& info);
  Napi::Value set_input_consumed_event(const Napi::CallbackInfo& info);
  Napi::Value set_nvtx_verbosity(const Napi::CallbackInfo& info);
  Napi::Value enqueue(const Napi::CallbackInfo& info);
  Napi::Value enqueue_in_thread(const Napi::CallbackInfo& info);
  Napi::Value profile(const Napi::CallbackInfo& info);
  Napi::Value report_profile(const Napi::CallbackInfo& info);
  Napi::Value inspect(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  Napi::ObjectReference engine_, disposal_;
};

}  // namespace lowlat_trt
