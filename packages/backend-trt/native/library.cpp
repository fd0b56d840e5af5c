#include "library.h"

#include "refusal.h"

#include <set>

namespace lowlat_trt {

namespace {

/** What was loaded into plugin registries, which are one for the process: they refuse plugins that they know. */
struct LoadedPlugins {
  std::mutex mutex;
  std::set<std::pair<void*, std::string>> paths;
};

/** Never destroyed: threads may outlive static objects. */
LoadedPlugins& loaded_plugins() {
  static LoadedPlugins& value = *new LoadedPlugins;
  return value;
}

using CreateWithLogger = void* (*)(void*, int32_t);
using CreateFor = void* (*)(void*, void*, int32_t);

/** A new object, or why there is none. */
void* given(void* object, const char* call, const LogSink& sink, uint64_t since = 0) {
  if (object) return object;
  const std::vector<LogMessage> log = sink.recent(since);
  throw Failure{tells_of_memory(log) ? "OUT_OF_MEMORY" : "REFUSED", std::string(call) + " returned nothing", {}}
      .with("call", std::string(call))
      .with("log", log);
}

}  // namespace

Library::Library(LibraryPaths paths) : paths_(std::move(paths)), nvinfer_(DynamicLibrary::open("libnvinfer", paths_.nvinfer)) {
  abi_ = &Abi::of(nvinfer_.symbol<int32_t (*)()>("getInferLibVersion")());
  for (const char* name : {"createInferBuilder_INTERNAL", "createInferRuntime_INTERNAL"}) nvinfer_.symbol<void*>(name);
  logger_ = Immortals<Logger>::take(*abi_);
  logger_->send_to(sink_);
}

const Cuda& Library::cuda() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!cuda_) cuda_.emplace(paths_.cuda_driver);
  return *cuda_;
}

const DynamicLibrary& Library::parser_library() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!parser_) parser_.emplace(DynamicLibrary::open("libnvonnxparser", paths_.onnx_parser, abi_->major()));
  return *parser_;
}

std::optional<int> Library::parser_version() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!parser_) return std::nullopt;
  }
  return parser_library().symbol<int (*)()>("getNvOnnxParserVersion")();
}

Owned Library::builder(Logger& logger, const LogSink& sink) {
  const auto create = nvinfer_.symbol<CreateWithLogger>("createInferBuilder_INTERNAL");
  return Owned(given(create(&logger, abi_->version()), "createInferBuilder", sink));
}

Owned Library::runtime(Logger& logger, const LogSink& sink) {
  const auto create = nvinfer_.symbol<CreateWithLogger>("createInferRuntime_INTERNAL");
  return Owned(given(create(&logger, abi_->version()), "createInferRuntime", sink));
}

Owned Library::refitter(void* engine, Logger& logger, const LogSink& sink, uint64_t since) {
  const auto create = nvinfer_.symbol<CreateFor>("createInferRefitter_INTERNAL");
  return Owned(given(create(engine, &logger, abi_->version()), "createInferRefitter", sink, since));
}

void* Library::parser(void* network, Logger& logger, const LogSink& sink) {
  const DynamicLibrary& library = parser_library();
  const auto version = library.symbol<int (*)()>("getNvOnnxParserVersion")();
  const auto create = library.symbol<CreateFor>("createNvOnnxParser_INTERNAL");
  return given(create(network, &logger, version), "createNvOnnxParser", sink);
}

void* Library::parser_refitter(void* refitter, Logger& logger, const LogSink& sink, uint64_t since) {
  const DynamicLibrary& library = parser_library();
  const auto version = library.symbol<int (*)()>("getNvOnnxParserVersion")();
  const auto create = library.symbol<CreateFor>("createNvOnnxParserRefitter_INTERNAL");
  return given(create(refitter, &logger, version), "createNvOnnxParserRefitter", sink, since);
}

bool Library::init_plugins() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!plugin_) plugin_.emplace(DynamicLibrary::open("libnvinfer_plugin", paths_.plugin, abi_->major()));
  return plugin_->symbol<bool (*)(void*, const char*)>("initLibNvInferPlugins")(logger_.get(), "");
}

void Library::load_plugins(const std::string& path) {
  void* registry = nvinfer_.symbol<void* (*)()>("getPluginRegistry")();
  const std::shared_ptr<ErrorRecorder> recorder = Immortals<ErrorRecorder>::take(*abi_);
  const std::lock_guard<std::mutex> lock(loaded_plugins().mutex);
  const auto [entry, is_new] = loaded_plugins().paths.emplace(registry, path);
  if (!is_new) return;
  const uint64_t mark = sink_->mark();
  void* before = abi_->call(calls::PluginRegistry_getErrorRecorder, registry);
  abi_->call(calls::PluginRegistry_setErrorRecorder, registry, recorder.get());
  const void* loaded = abi_->call(calls::PluginRegistry_loadLibrary, registry, path.c_str());
  abi_->call(calls::PluginRegistry_setErrorRecorder, registry, before);
  if (loaded) return;
  loaded_plugins().paths.erase(entry);
  Failure failure = refusal("PLUGIN_FAILED", "TensorRT does not load the plugin library '" + path + "'", *abi_, *recorder, *sink_, mark);
  throw failure.with("library", path);
}

}  // namespace lowlat_trt
