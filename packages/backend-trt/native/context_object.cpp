#include "context_object.h"

#include "engine_object.h"
#include "job.h"

namespace lowlat_trt {

Napi::FunctionReference ContextObject::define(Napi::Env env) {
  return Napi::Persistent(DefineClass(env, "NativeContext",
                                      {InstanceMethod<&ContextObject::set_profile>("setProfile"),
                                       InstanceMethod<&ContextObject::set_profile_in_thread>("setProfileInThread"),
                                       InstanceMethod<&ContextObject::set_input_shape>("setInputShape"),
                                       InstanceMethod<&ContextObject::infer_shapes>("inferShapes"),
                                       InstanceMethod<&ContextObject::shape_of>("shapeOf"),
                                       InstanceMethod<&ContextObject::strides_of>("stridesOf"),
                                       InstanceMethod<&ContextObject::max_output_bytes>("maxOutputBytes"),
                                       InstanceMethod<&ContextObject::set_address>("setAddress"),
                                       InstanceMethod<&ContextObject::allocate_output>("allocateOutput"),
                                       InstanceMethod<&ContextObject::allocated>("allocated"),
                                       InstanceMethod<&ContextObject::set_device_memory>("setDeviceMemory"),
                                       InstanceMethod<&ContextObject::memory_for_shapes>("memoryForShapes"),
                                       InstanceMethod<&ContextObject::set_aux_streams>("setAuxStreams"),
                                       InstanceMethod<&ContextObject::set_persistent_cache_limit>("setPersistentCacheLimit"),
                                       InstanceMethod<&ContextObject::set_input_consumed_event>("setInputConsumedEvent"),
                                       InstanceMethod<&ContextObject::set_nvtx_verbosity>("setNvtxVerbosity"),
                                       InstanceMethod<&ContextObject::enqueue>("enqueue"),
                                       InstanceMethod<&ContextObject::enqueue_in_thread>("enqueueInThread"),
                                       InstanceMethod<&ContextObject::profile>("profile"),
                                       InstanceMethod<&ContextObject::report_profile>("reportProfile"),
                                       InstanceMethod<&ContextObject::inspect>("inspect"),
                                       InstanceMethod<&ContextObject::dispose>("dispose")}));
}

Napi::Value ContextObject::wrap(const std::shared_ptr<Context>& context, const Napi::Object& engine) {
  Napi::Object object = create(context->engine->instance->context_class, context);
  Unwrap(object)->engine_ = Napi::Persistent(engine);
  context->engine->open_contexts++;
  return object;
}

ContextObject::~ContextObject() {
  if (!has_state()) return;
  const std::shared_ptr<Context> context = take_state();
  context->engine->open_contexts--;
  if (!context->engine->worker->post([context] { context->destroy(); })) context->destroy();
}

const std::shared_ptr<Context>& ContextObject::ready(const char* call) const {
  const std::shared_ptr<Context>& context = state();
  if (context->busy > 0 || context->engine->refitting)
    throw Failure{"BUSY", context->busy > 0 ? "The context is used by its engine's thread" : "The engine's weights are being replaced", {}}
        .with("call", std::string(call));
  return context;
}

template <class Body>
Napi::Value ContextObject::run(const Napi::CallbackInfo& info, const char* call, const Body& body) {
  return guard(info.Env(), [&]() -> Napi::Value {
    Context& context = *ready(call);
    context.prepare();
    if constexpr (std::is_void_v<decltype(body(context))>) {
      body(context);
      return info.Env().Undefined();
    } else {
      return body(context);
    }
  });
}

Napi::Value ContextObject::run_in_thread(const Napi::CallbackInfo& info, const char* call, std::function<void(Context&)> body) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Context> context = ready(call);
    Engine& engine = *context->engine;
    Pending pending(info.Env());
    pending.retained.push_back(Napi::Persistent(info.This().As<Napi::Object>()));
    context->busy++;
    engine.busy_contexts++;
    pending.settled = [context] {
      context->busy--;
      context->engine->busy_contexts--;
    };
    return start_job<bool>(
        info.Env(), engine.instance, *engine.worker, std::move(pending),
        [context, body = std::move(body)] {
          context->prepare();
          body(*context);
          return true;
        },
        [](Napi::Env env, bool&, Pending&) { return env.Undefined(); });
  });
}

Napi::Value ContextObject::set_profile(const Napi::CallbackInfo& info) {
  return run(info, "setOptimizationProfileAsync", [&](Context& context) {
    const int32_t profile = int32_of(info[0], "index");
    void* stream = pointer_of(info[1], "stream");
    context.accept(context.call(calls::ExecutionContext_setOptimizationProfileAsync, profile, stream), "setOptimizationProfileAsync");
  });
}

Napi::Value ContextObject::set_profile_in_thread(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const int32_t profile = int32_of(info[0], "index");
    void* stream = pointer_of(info[1], "stream");
    return run_in_thread(info, "setOptimizationProfileAsync", [profile, stream](Context& context) {
      context.accept(context.call(calls::ExecutionContext_setOptimizationProfileAsync, profile, stream), "setOptimizationProfileAsync");
    });
  });
}

Napi::Value ContextObject::set_input_shape(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const std::string name = text_of(info[0], "name");
    const Dims shape = dims_of(info[1], "shape");
    return run(info, "setInputShape", [&](Context& context) {
      context.accept(context.call(calls::ExecutionContext_setInputShape, name.c_str(), shape), "setInputShape");
    });
  });
}

Napi::Value ContextObject::infer_shapes(const Napi::CallbackInfo& info) {
  return run(info, "inferShapes", [&](Context& context) -> Napi::Value {
    std::vector<Text> names(16);
    int32_t lacking = context.call(calls::ExecutionContext_inferShapes, static_cast<int32_t>(names.size()), names.data());
    if (lacking > static_cast<int32_t>(names.size())) {
      names.resize(static_cast<size_t>(lacking));
      lacking = context.call(calls::ExecutionContext_inferShapes, lacking, names.data());
    }
    context.accept(lacking >= 0, "inferShapes");
    names.resize(static_cast<size_t>(lacking));
    std::vector<std::string> result;
    for (Text name : names) result.push_back(name ? name : "");
    return to_array(info.Env(), result);
  });
}

Napi::Value ContextObject::shape_of(const Napi::CallbackInfo& info) {
  return run(info, "getTensorShape", [&](Context& context) {
    const Dims dims = context.call(calls::ExecutionContext_getTensorShape, text_of(info[0], "name").c_str());
    context.accept(dims.count >= 0, "getTensorShape");
    return to_array(info.Env(), dims);
  });
}

Napi::Value ContextObject::strides_of(const Napi::CallbackInfo& info) {
  return run(info, "getTensorStrides", [&](Context& context) {
    const Dims dims = context.call(calls::ExecutionContext_getTensorStrides, text_of(info[0], "name").c_str());
    context.accept(dims.count >= 0, "getTensorStrides");
    return to_array(info.Env(), dims);
  });
}

Napi::Value ContextObject::max_output_bytes(const Napi::CallbackInfo& info) {
  return run(info, "getMaxOutputSize", [&](Context& context) -> Napi::Value {
    const int64_t bytes = context.call(calls::ExecutionContext_getMaxOutputSize, text_of(info[0], "name").c_str());
    context.accept(bytes >= 0, "getMaxOutputSize");
    return to_number(info.Env(), static_cast<uint64_t>(bytes));
  });
}

Napi::Value ContextObject::set_address(const Napi::CallbackInfo& info) {
  return run(info, "setTensorAddress", [&](Context& context) {
    const std::string name = text_of(info[0], "name");
    void* address = pointer_of(info[1], "address");
    context.accept(context.call(calls::ExecutionContext_setTensorAddress, name.c_str(), address), "setTensorAddress");
  });
}

Napi::Value ContextObject::allocate_output(const Napi::CallbackInfo& info) {
  return run(info, "setOutputAllocator", [&](Context& context) { context.allocate_output(text_of(info[0], "name")); });
}

Napi::Value ContextObject::allocated(const Napi::CallbackInfo& info) {
  return run(info, "getOutputAllocator", [&](Context& context) -> Napi::Value {
    const std::string name = text_of(info[0], "name");
    const OutputAllocator* allocator = context.allocator(name);
    if (!allocator) throw invalid("name", "an output for which allocateOutput was called");
    const OutputAllocator::State state = allocator->state();
    if (state.shape.count < 0)
      throw Failure{"REFUSED", "No run has told the shape of output '" + name + "'", {}}.with("call", std::string("notifyShape"));
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("address", to_number(info.Env(), state.address));
    object.Set("sizeBytes", to_number(info.Env(), state.bytes));
    object.Set("shape", to_array(info.Env(), state.shape));
    return object;
  });
}

Napi::Value ContextObject::set_device_memory(const Napi::CallbackInfo& info) {
  return run(info, "setDeviceMemoryV2", [&](Context& context) {
    void* address = pointer_of(info[0], "address");
    const auto bytes = static_cast<int64_t>(size_of(info[1], "sizeBytes"));
    if (context.abi().has(calls::ExecutionContext_setDeviceMemoryV2))
      context.call(calls::ExecutionContext_setDeviceMemoryV2, address, bytes);
    else
      context.call(calls::ExecutionContext_setDeviceMemory, address);
    context.accept_unless_recorded("setDeviceMemoryV2");
  });
}

Napi::Value ContextObject::memory_for_shapes(const Napi::CallbackInfo& info) {
  return run(info, "updateDeviceMemorySizeForShapes", [&](Context& context) -> Napi::Value {
    const size_t bytes = context.call(calls::ExecutionContext_updateDeviceMemorySizeForShapes);
    // Zero is also what a network without activations needs.
    if (bytes == 0) context.accept_unless_recorded("updateDeviceMemorySizeForShapes");
    return to_number(info.Env(), bytes);
  });
}

Napi::Value ContextObject::set_aux_streams(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    std::vector<void*> streams;
    for (const int64_t stream : integers_of(info[0], "streams")) {
      if (stream <= 0) throw invalid("streams", "streams other than the default one");
      streams.push_back(reinterpret_cast<void*>(stream));
    }
    return run(info, "setAuxStreams", [&](Context& context) {
      context.call(calls::ExecutionContext_setAuxStreams, streams.data(), static_cast<int32_t>(streams.size()));
      context.accept_unless_recorded("setAuxStreams");
    });
  });
}

Napi::Value ContextObject::set_persistent_cache_limit(const Napi::CallbackInfo& info) {
  return run(info, "setPersistentCacheLimit", [&](Context& context) {
    context.call(calls::ExecutionContext_setPersistentCacheLimit, size_of(info[0], "bytes"));
    context.accept_unless_recorded("setPersistentCacheLimit");
  });
}

Napi::Value ContextObject::set_input_consumed_event(const Napi::CallbackInfo& info) {
  return run(info, "setInputConsumedEvent", [&](Context& context) {
    context.accept(context.call(calls::ExecutionContext_setInputConsumedEvent, pointer_of(info[0], "event")), "setInputConsumedEvent");
  });
}

Napi::Value ContextObject::set_nvtx_verbosity(const Napi::CallbackInfo& info) {
  return run(info, "setNvtxVerbosity", [&](Context& context) {
    const int32_t verbosity = context.abi().value("ProfilingVerbosity", text_of(info[0], "verbosity"));
    context.accept(context.call(calls::ExecutionContext_setNvtxVerbosity, verbosity), "setNvtxVerbosity");
  });
}

Napi::Value ContextObject::enqueue(const Napi::CallbackInfo& info) {
  return run(info, "enqueueV3", [&](Context& context) { context.enqueue(pointer_of(info[0], "stream")); });
}

Napi::Value ContextObject::enqueue_in_thread(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    void* stream = pointer_of(info[0], "stream");
    return run_in_thread(info, "enqueueV3", [stream](Context& context) { context.enqueue(stream); });
  });
}

Napi::Value ContextObject::profile(const Napi::CallbackInfo& info) {
  return run(info, "setProfiler", [&](Context& context) { context.profile(flag_of(info[0], "on")); });
}

Napi::Value ContextObject::report_profile(const Napi::CallbackInfo& info) {
  return run(info, "reportToProfiler", [&](Context& context) -> Napi::Value {
    const std::vector<LayerTime> times = context.report_profile();
    Napi::Array array = Napi::Array::New(info.Env(), times.size());
    for (uint32_t index = 0; index < times.size(); index++) {
      Napi::Object layer = Napi::Object::New(info.Env());
      layer.Set("name", times[index].name);
      layer.Set("ms", static_cast<double>(times[index].ms));
      array.Set(index, layer);
    }
    return array;
  });
}

Napi::Value ContextObject::inspect(const Napi::CallbackInfo& info) {
  return run(info, "getEngineInformation", [&](Context& context) -> Napi::Value {
    return Napi::String::New(info.Env(), context.engine->inspect(format_of(info[0]).c_str(), context.get(), -1));
  });
}

Napi::Value ContextObject::dispose(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    if (!has_state()) return disposal_.Value();
    const std::shared_ptr<Context> context = take_state();
    const std::shared_ptr<Engine> engine = context->engine;
    Pending pending(info.Env());
    pending.retained.push_back(std::move(engine_));
    // The engine may be disposed from now on: its thread frees one after the other.
    engine->open_contexts--;
    const Napi::Promise promise =
        start_destruction(engine->instance, *engine->worker, false, std::move(pending), [context] { context->destroy(); });
    disposal_ = Napi::Persistent(promise.As<Napi::Object>());
    return promise;
  });
}

}  // namespace lowlat_trt
