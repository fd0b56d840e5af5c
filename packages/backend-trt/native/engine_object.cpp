#include "engine_object.h"

#include <algorithm>

#include "context_object.h"
#include "job.h"

namespace lowlat_trt {

namespace {

/** Extents of min, opt and max by their names. */
template <class Part>
Napi::Object range_of(Napi::Env env, const Part& part) {
  Napi::Object range = Napi::Object::New(env);
  for (const auto& [name, selector] : {std::pair{"min", "MIN"}, std::pair{"opt", "OPT"}, std::pair{"max", "MAX"}})
    range.Set(name, part(selector));
  return range;
}

/** Those included that the engine's thread is about to make. @throws Failure IN_USE. */
void refuse_with_contexts(const Engine& engine) {
  if (engine.open_contexts == 0) return;
  throw Failure{"IN_USE", "The engine has contexts: dispose them first", {}}.with("contexts", static_cast<double>(engine.open_contexts));
}

int64_t volume(const Dims& dims) {
  int64_t product = 1;
  for (int32_t index = 0; index < dims.count; index++) product *= std::max<int64_t>(dims.extents[index], 0);
  return product;
}

Napi::Array values_of(Napi::Env env, const Engine& engine, const char* tensor, int32_t profile, int32_t selector) {
  const Abi& abi = engine.abi();
  const auto count = static_cast<uint32_t>(volume(abi.call(calls::CudaEngine_getTensorShape, engine.get(), tensor)));
  Napi::Array array = Napi::Array::New(env);
  const auto fill = [&](const auto* values) {
    for (uint32_t index = 0; values && index < count; index++) array.Set(index, static_cast<double>(values[index]));
  };
  if (abi.has(calls::CudaEngine_getProfileTensorValuesV2))
    fill(abi.call(calls::CudaEngine_getProfileTensorValuesV2, engine.get(), tensor, profile, selector));
  else
    fill(abi.call(calls::CudaEngine_getProfileTensorValues, engine.get(), tensor, profile, selector));
  return array;
}

}  // namespace

std::string format_of(const Napi::Value& value) {
  const std::string format = text_of(value, "format");
  if (format == "json") return "JSON";
  if (format == "oneline") return "ONELINE";
  throw invalid("format", "'json' or 'oneline'");
}

Napi::FunctionReference EngineObject::define(Napi::Env env) {
  return Napi::Persistent(DefineClass(env, "NativeEngine",
                                      {InstanceMethod<&EngineObject::profile_shape>("profileShape"),
                                       InstanceMethod<&EngineObject::profile_values>("profileValues"),
                                       InstanceMethod<&EngineObject::device_memory>("deviceMemoryBytes"),
                                       InstanceMethod<&EngineObject::weight_streaming>("weightStreaming"),
                                       InstanceMethod<&EngineObject::set_weight_streaming_budget>("setWeightStreamingBudget"),
                                       InstanceMethod<&EngineObject::inspect>("inspect"),
                                       InstanceMethod<&EngineObject::inspect_layer>("inspectLayer"),
                                       InstanceMethod<&EngineObject::serialize>("serialize"),
                                       InstanceMethod<&EngineObject::refit>("refit"),
                                       InstanceMethod<&EngineObject::create_context>("createContext"),
                                       InstanceMethod<&EngineObject::dispose>("dispose")}));
}

Napi::Value EngineObject::wrap(Napi::Env env, const std::shared_ptr<Engine>& engine, const EngineFacts& facts, size_t plan_bytes) {
  Napi::Object object = create(engine->instance->engine_class, engine);
  object.Set("name", facts.name);
  object.Set("layers", facts.layers);
  object.Set("profiles", facts.profiles);
  object.Set("auxStreams", facts.aux_streams);
  object.Set("refittable", facts.refittable);
  object.Set("hardwareCompatibility", facts.hardware_compatibility);
  object.Set("profilingVerbosity", facts.profiling_verbosity);
  object.Set("tensors", to_array(env, facts.tensors));
  EngineObject* self = Unwrap(object);
  engine->library->users++;
  self->accounted_ = static_cast<int64_t>(plan_bytes);
  Napi::MemoryManagement::AdjustExternalMemory(env, self->accounted_);
  return object;
}

EngineObject::~EngineObject() {
  if (!has_state()) return;
  // Collected without having been disposed: its contexts hold the object, so that there are none.
  const std::shared_ptr<Engine> engine = take_state();
  engine->events->close();
  engine->library->users--;
  if (!engine->worker->post([engine] { engine->destroy(); })) engine->destroy();
  engine->worker->finish();
  Napi::MemoryManagement::AdjustExternalMemory(Env(), -accounted_);
}

const std::shared_ptr<Engine>& EngineObject::ready(const char* call) const {
  const std::shared_ptr<Engine>& engine = state();
  if (engine->refitting) throw Failure{"BUSY", "The engine's weights are being replaced", {}}.with("call", std::string(call));
  return engine;
}

Napi::Value EngineObject::profile_shape(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Engine>& engine = ready("getProfileShape");
    const std::string tensor = text_of(info[0], "tensor");
    const int32_t profile = int32_of(info[1], "profile");
    return range_of(info.Env(), [&](const char* selector) {
      const uint64_t mark = engine->prepare();
      const Dims dims = engine->abi().call(calls::CudaEngine_getProfileShape, engine->get(), tensor.c_str(), profile,
                                           engine->abi().value("OptProfileSelector", selector));
      if (dims.count < 0) throw engine->refused_since("getProfileShape", mark);
      return to_array(info.Env(), dims);
    });
  });
}

Napi::Value EngineObject::profile_values(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Engine>& engine = ready("getProfileTensorValues");
    const std::string tensor = text_of(info[0], "tensor");
    const int32_t profile = int32_of(info[1], "profile");
    return range_of(info.Env(), [&](const char* selector) {
      return values_of(info.Env(), *engine, tensor.c_str(), profile, engine->abi().value("OptProfileSelector", selector));
    });
  });
}

Napi::Value EngineObject::device_memory(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Engine>& engine = ready("getDeviceMemorySize");
    const Abi& abi = engine->abi();
    const bool v2 = abi.has(calls::CudaEngine_getDeviceMemorySizeV2);
    if (!is_given(info[0])) {
      if (v2) return to_number(info.Env(), static_cast<uint64_t>(abi.call(calls::CudaEngine_getDeviceMemorySizeV2, engine->get())));
      return to_number(info.Env(), abi.call(calls::CudaEngine_getDeviceMemorySize, engine->get()));
    }
    const int32_t profile = int32_of(info[0], "profile");
    if (v2)
      return to_number(info.Env(),
                       static_cast<uint64_t>(abi.call(calls::CudaEngine_getDeviceMemorySizeForProfileV2, engine->get(), profile)));
    return to_number(info.Env(), abi.call(calls::CudaEngine_getDeviceMemorySizeForProfile, engine->get(), profile));
  });
}

Napi::Value EngineObject::weight_streaming(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Engine>& engine = ready("getWeightStreamingBudgetV2");
    const Abi& abi = engine->abi();
    Napi::Object object = Napi::Object::New(info.Env());
    const std::pair<const char*, Call<int64_t>> parts[] = {
        {"streamableBytes", calls::CudaEngine_getStreamableWeightsSize},
        {"budgetBytes", calls::CudaEngine_getWeightStreamingBudgetV2},
        {"automaticBudgetBytes", calls::CudaEngine_getWeightStreamingAutomaticBudget},
        {"scratchBytes", calls::CudaEngine_getWeightStreamingScratchMemorySize}};
    for (const auto& [name, call] : parts) object.Set(name, static_cast<double>(abi.call(call, engine->get())));
    return object;
  });
}

Napi::Value EngineObject::set_weight_streaming_budget(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Engine>& engine = ready("setWeightStreamingBudgetV2");
    const auto bytes = static_cast<int64_t>(size_of(info[0], "bytes"));
    refuse_with_contexts(*engine);
    const uint64_t mark = engine->prepare();
    engine->use_cuda();
    if (!engine->abi().call(calls::CudaEngine_setWeightStreamingBudgetV2, engine->get(), bytes))
      throw engine->refused_since("setWeightStreamingBudgetV2", mark);
    return info.Env().Undefined();
  });
}

Napi::Value EngineObject::inspect(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Engine>& engine = ready("getEngineInformation");
    return Napi::String::New(info.Env(), engine->inspect(format_of(info[0]).c_str(), nullptr, -1));
  });
}

Napi::Value EngineObject::inspect_layer(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Engine>& engine = ready("getLayerInformation");
    const int32_t layer = int32_of(info[0], "index");
    return Napi::String::New(info.Env(), engine->inspect(format_of(info[1]).c_str(), nullptr, layer));
  });
}

Napi::Value EngineObject::serialize(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Engine> engine = ready("serializeWithConfig");
    const auto flags = is_given(info[0]) ? texts_of(info[0], "flags") : std::vector<std::string>{};
    return start_job<HostMemory>(
        info.Env(), engine->instance, *engine->worker, Pending(info.Env()),
        [engine, flags] { return engine->serialize(flags); }, [](Napi::Env env, HostMemory& plan, Pending&) { return plan.to_array(env); });
  });
}

Napi::Value EngineObject::refit(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Engine> engine = ready("refitCudaEngine");
    if (engine->busy_contexts > 0)
      throw Failure{"BUSY", "Contexts of the engine are running", {}}.with("call", std::string("refitCudaEngine"));
    Pending pending(info.Env());
    const Source model = source_of(info[0], "model", pending.retained);
    pending.settled = [engine] { engine->refitting = false; };
    engine->refitting = true;
    return start_job<std::vector<std::string>>(
        info.Env(), engine->instance, *engine->worker, std::move(pending), [engine, model] { return engine->refit(model); },
        [](Napi::Env env, std::vector<std::string>& missing, Pending&) {
          Napi::Object object = Napi::Object::New(env);
          object.Set("missing", to_array(env, missing));
          return object;
        });
  });
}

Napi::Value EngineObject::create_context(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Engine> engine = ready("createExecutionContext");
    const std::string memory = text_of(object_of(info[0], "options").Get("memory"), "memory");
    const char* strategy = memory == "own"                 ? "STATIC"
                           : memory == "user"              ? "USER_MANAGED"
                           : memory == "on-profile-change" ? "ON_PROFILE_CHANGE"
                                                           : nullptr;
    if (!strategy) throw invalid("memory", "'own', 'user' or 'on-profile-change'");
    Pending pending(info.Env());
    pending.retained.push_back(Napi::Persistent(info.This().As<Napi::Object>()));
    // Counted while it is made, so that the engine is not disposed meanwhile; the object then counts itself.
    engine->open_contexts++;
    pending.settled = [engine] { engine->open_contexts--; };
    return start_job<std::shared_ptr<Context>>(
        info.Env(), engine->instance, *engine->worker, std::move(pending),
        [engine, strategy] {
          auto context = std::make_shared<Context>(engine, strategy);
          engine->instance->add(context);
          return context;
        },
        [](Napi::Env, std::shared_ptr<Context>& context, Pending& pending) {
          return ContextObject::wrap(context, pending.retained.front().Value());
        });
  });
}

Napi::Value EngineObject::dispose(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    if (!has_state()) return disposal_.Value();
    refuse_with_contexts(*state());
    const std::shared_ptr<Engine> engine = take_state();
    Pending pending(info.Env());
    pending.events = engine->events;
    engine->library->users--;
    Napi::MemoryManagement::AdjustExternalMemory(info.Env(), -accounted_);
    const Napi::Promise promise =
        start_destruction(engine->instance, *engine->worker, true, std::move(pending), [engine] { engine->destroy(); });
    disposal_ = Napi::Persistent(promise.As<Napi::Object>());
    return promise;
  });
}

}  // namespace lowlat_trt
