#include "library_object.h"

#include "build.h"
#include "engine_object.h"
#include "job.h"

namespace lowlat_trt {

namespace {

/** Cancellation of one build, from JavaScript or by the end of the environment. */
struct Cancellation {
  std::atomic<bool> cancelled{false};
  uint64_t id = 0;
};

/** A worker that does one thing. */
template <class Start>
Napi::Promise once(const std::shared_ptr<Instance>& instance, const Start& start) {
  const std::shared_ptr<Worker> worker = instance->worker();
  const Napi::Promise promise = start(*worker);
  worker->finish();
  return promise;
}

Napi::Value to_value(Napi::Env env, BuildResult& result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("plan", result.plan.to_array(env));
  if (result.timing_cache) object.Set("timingCache", result.timing_cache.to_array(env));
  object.Set("timingCacheRefused", result.timing_cache_refused);
  object.Set("tensors", to_array(env, result.tensors));
  return object;
}

Napi::Value to_value(Napi::Env env, const SupportReport& report) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("supported", report.supported);
  Napi::Array subgraphs = Napi::Array::New(env, report.subgraphs.size());
  for (uint32_t index = 0; index < report.subgraphs.size(); index++) {
    const Subgraph& subgraph = report.subgraphs[index];
    Napi::Object entry = Napi::Object::New(env);
    Napi::Array nodes = Napi::Array::New(env, subgraph.nodes.size());
    for (uint32_t node = 0; node < subgraph.nodes.size(); node++) nodes.Set(node, static_cast<double>(subgraph.nodes[node]));
    entry.Set("nodes", nodes);
    entry.Set("supported", subgraph.supported);
    subgraphs.Set(index, entry);
  }
  object.Set("subgraphs", subgraphs);
  // As properties of errors are made.
  const Napi::Error carrier = to_error(env, Failure{"", "", {}}.with("errors", report.errors));
  object.Set("errors", carrier.Get("errors"));
  return object;
}

}  // namespace

Napi::FunctionReference LibraryObject::define(Napi::Env env) {
  return Napi::Persistent(DefineClass(env, "NativeLibrary",
                                      {InstanceAccessor<&LibraryObject::parser_version>("parserVersion"),
                                       InstanceMethod<&LibraryObject::init_plugins>("initPlugins"),
                                       InstanceMethod<&LibraryObject::load_plugin_library>("loadPluginLibrary"),
                                       InstanceMethod<&LibraryObject::build>("build"),
                                       InstanceMethod<&LibraryObject::supports>("supports"),
                                       InstanceMethod<&LibraryObject::deserialize>("deserialize"),
                                       InstanceMethod<&LibraryObject::close>("close")}));
}

Napi::Value LibraryObject::wrap(Napi::Env env, const std::shared_ptr<Instance>& instance, std::shared_ptr<Library> library) {
  const int32_t number = library->abi().version();
  const std::string path = library->path();
  Napi::Object object =
      create(instance->library_class, std::make_shared<LibraryState>(LibraryState{instance, std::move(library)}));
  Napi::Object version = Napi::Object::New(env);
  version.Set("major", number / 10000);
  version.Set("minor", number % 10000 / 100);
  version.Set("patch", number % 100);
  object.Set("version", version);
  object.Set("path", path);
  return object;
}

Napi::Value LibraryObject::parser_version(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const std::optional<int> version = state()->library->parser_version();
    return version ? Napi::Number::New(info.Env(), *version) : info.Env().Undefined();
  });
}

Napi::Value LibraryObject::init_plugins(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value { return Napi::Boolean::New(info.Env(), state()->library->init_plugins()); });
}

Napi::Value LibraryObject::load_plugin_library(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    state()->library->load_plugins(text_of(info[0], "path"));
    return info.Env().Undefined();
  });
}

Napi::Value LibraryObject::build(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<LibraryState> state = this->state();
    const std::shared_ptr<Instance>& instance = state->instance;
    Pending pending(info.Env());
    auto request = std::make_shared<BuildRequest>(read_build_request(info[0], pending.retained));
    const auto events = EventChannel::create(instance, function_of(info[1], "onEvent"));
    const auto cancellation = std::make_shared<Cancellation>();
    cancellation->id = instance->add_cancellation([cancellation] { cancellation->cancelled = true; });
    pending.events = events;
    pending.settled = [state, cancellation] {
      state->library->users--;
      state->instance->remove_cancellation(cancellation->id);
    };
    state->library->users++;
    const Napi::Promise done = once(instance, [&](Worker& worker) {
      return start_job<BuildResult>(
          info.Env(), instance, worker, std::move(pending),
          [library = state->library, request, events, cancellation] {
            const auto sink = std::make_shared<LogSink>(events, request->threshold);
            return lowlat_trt::build(*library, *request, sink, events, cancellation->cancelled);
          },
          [](Napi::Env env, BuildResult& result, Pending&) { return to_value(env, result); });
    });
    Napi::Object job = Napi::Object::New(info.Env());
    job.Set("done", done);
    job.Set("cancel", Napi::Function::New(info.Env(), [cancellation](const Napi::CallbackInfo&) { cancellation->cancelled = true; }));
    return job;
  });
}

Napi::Value LibraryObject::supports(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<LibraryState> state = this->state();
    Pending pending(info.Env());
    const Source model = source_of(info[0], "model", pending.retained);
    pending.settled = [state] { state->library->users--; };
    state->library->users++;
    return once(state->instance, [&](Worker& worker) {
      return start_job<SupportReport>(
          info.Env(), state->instance, worker, std::move(pending),
          [library = state->library, model] {
            return lowlat_trt::supports(*library, model, std::make_shared<LogSink>(nullptr, Severity::warning));
          },
          [](Napi::Env env, SupportReport& report, Pending&) { return to_value(env, report); });
    });
  });
}

Napi::Value LibraryObject::deserialize(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<LibraryState> state = this->state();
    Pending pending(info.Env());
    DeserializeOptions options;
    options.plan = source_of(info[0], "plan", pending.retained);
    const Napi::Object given = object_of(info[1], "options");
    options.cuda_context = pointer_of(given.Get("cudaContext"), "cudaContext");
    options.host_code_allowed = is_given(given.Get("hostCodeAllowed")) && flag_of(given.Get("hostCodeAllowed"), "hostCodeAllowed");
    const Severity threshold =
        is_given(given.Get("logSeverity")) ? severity_of(text_of(given.Get("logSeverity"), "logSeverity")) : Severity::warning;
    const auto events = EventChannel::create(state->instance, function_of(given.Get("onLog"), "onLog"));
    pending.events = events;
    pending.keeps_events = true;
    // Counted while it is made; the object then counts itself.
    pending.settled = [state] { state->library->users--; };
    state->library->users++;
    const auto engine = std::make_shared<Engine>(state->instance, state->library, events, threshold, options.cuda_context);
    const std::shared_ptr<Worker> worker = engine->worker;
    return start_job<EngineFacts>(
        info.Env(), state->instance, *worker, std::move(pending),
        [engine, options] {
          engine->instance->add(engine);
          try {
            return engine->deserialize(options);
          } catch (...) {
            engine->destroy();
            engine->worker->finish();
            throw;
          }
        },
        [engine, size = options.plan.size](Napi::Env env, EngineFacts& facts, Pending&) {
          return EngineObject::wrap(env, engine, facts, size);
        });
  });
}

Napi::Value LibraryObject::close(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    if (!has_state()) return info.Env().Undefined();
    const int32_t users = state()->library->users;
    if (users > 0)
      throw Failure{"IN_USE", "The library has jobs or engines: await and dispose them first", {}}.with("users",
                                                                                                        static_cast<double>(users));
    take_state();
    return info.Env().Undefined();
  });
}

}  // namespace lowlat_trt
