#include "engine.h"

#include "callbacks/stream_reader.h"
#include "refusal.h"

namespace lowlat_trt {

namespace {
std::string text(Text given) { return given ? given : ""; }
}  // namespace

Engine::Engine(std::shared_ptr<Instance> instance, std::shared_ptr<Library> library, std::shared_ptr<EventChannel> events,
               Severity threshold, void* cuda_context)
    : instance(std::move(instance)),
      library(std::move(library)),
      sink(std::make_shared<LogSink>(events, threshold)),
      events(std::move(events)),
      logger(Immortals<Logger>::take(abi())),
      recorder(Immortals<ErrorRecorder>::take(abi())),
      worker(this->instance->worker()),
      cuda_context_(cuda_context) {
  logger->send_to(sink);
}

void Engine::use_cuda() const {
  if (cuda_context_) library->cuda().use(cuda_context_);
}

uint64_t Engine::prepare() const {
  recorder->reset();
  return sink->mark();
}

Failure Engine::refused_since(const char* call, uint64_t mark) const { return refused(call, abi(), *recorder, *sink, mark); }

EngineFacts Engine::deserialize(const DeserializeOptions& options) {
  use_cuda();
  runtime_ = library->runtime(*logger, *sink);
  abi().call(calls::Runtime_setErrorRecorder, runtime_.get(), recorder.get());
  if (options.host_code_allowed) abi().call(calls::Runtime_setEngineHostCodeAllowed, runtime_.get(), true);
  engine_ = Owned(deserialize_plan(options.plan));
  if (!engine_) throw refused_since("deserializeCudaEngine", 0);
  // Without one of its own, its errors go to the process's first logger.
  abi().call(calls::CudaEngine_setErrorRecorder, engine_.get(), recorder.get());
  return facts();
}

void* Engine::deserialize_plan(const Source& plan) const {
  const bool streamed = !plan.path.empty() && abi().has(calls::Runtime_deserializeCudaEngineV2) &&
                        abi().has_interface(Class::StreamReaderV2) && library->cuda().tells_memory_kind();
  if (streamed) {
    StreamReader reader(abi(), library->cuda(), plan.path);
    return abi().call(calls::Runtime_deserializeCudaEngineV2, runtime_.get(), &reader);
  }
  const SourceBytes bytes(plan);
  return abi().call(calls::Runtime_deserializeCudaEngine, runtime_.get(), bytes.data(), bytes.size());
}

EngineFacts Engine::facts() const {
  const Abi& abi = this->abi();
  EngineFacts facts;
  facts.name = text(abi.call(calls::CudaEngine_getName, get()));
  facts.layers = abi.call(calls::CudaEngine_getNbLayers, get());
  facts.profiles = abi.call(calls::CudaEngine_getNbOptimizationProfiles, get());
  facts.aux_streams = abi.call(calls::CudaEngine_getNbAuxStreams, get());
  facts.refittable = abi.call(calls::CudaEngine_isRefittable, get());
  facts.hardware_compatibility =
      abi.name("HardwareCompatibilityLevel", abi.call(calls::CudaEngine_getHardwareCompatibilityLevel, get()));
  facts.profiling_verbosity = abi.name("ProfilingVerbosity", abi.call(calls::CudaEngine_getProfilingVerbosity, get()));
  const int32_t input = abi.value("TensorIOMode", "INPUT");
  const int32_t tensors = abi.call(calls::CudaEngine_getNbIOTensors, get());
  for (int32_t index = 0; index < tensors; index++) {
    const std::string name = text(abi.call(calls::CudaEngine_getIOTensorName, get(), index));
    const char* key = name.c_str();
    facts.tensors.push_back({name, abi.call(calls::CudaEngine_getTensorIOMode, get(), key) == input ? "input" : "output",
                             abi.name("DataType", abi.call(calls::CudaEngine_getTensorDataType, get(), key)),
                             abi.name("TensorLocation", abi.call(calls::CudaEngine_getTensorLocation, get(), key)),
                             abi.name("TensorFormat", abi.call(calls::CudaEngine_getTensorFormat, get(), key)),
                             abi.call(calls::CudaEngine_getTensorShape, get(), key),
                             abi.call(calls::CudaEngine_isShapeInferenceIO, get(), key)});
  }
  return facts;
}

std::string Engine::inspect(const char* format, const void* context, int32_t layer) const {
  const Abi& abi = this->abi();
  const uint64_t mark = prepare();
  const Owned inspector(abi.call(calls::CudaEngine_createEngineInspector, get()));
  if (!inspector) throw refused_since("createEngineInspector", mark);
  abi.call(calls::EngineInspector_setErrorRecorder, inspector.get(), recorder.get());
  if (context && !abi.call(calls::EngineInspector_setExecutionContext, inspector.get(), context))
    throw refused_since("setExecutionContext", mark);
  const int32_t kind = abi.value("LayerInformationFormat", format);
  Text found = layer < 0 ? abi.call(calls::EngineInspector_getEngineInformation, inspector.get(), kind)
                         : abi.call(calls::EngineInspector_getLayerInformation, inspector.get(), layer, kind);
  if (!found) throw refused_since(layer < 0 ? "getEngineInformation" : "getLayerInformation", mark);
  return found;
}

HostMemory Engine::serialize(const std::vector<std::string>& flags) const {
  const Abi& abi = this->abi();
  const uint64_t mark = prepare();
  const Owned config(abi.call(calls::CudaEngine_createSerializationConfig, get()));
  if (!config) throw refused_since("createSerializationConfig", mark);
  for (const std::string& flag : flags)
    if (!abi.call(calls::SerializationConfig_setFlag, config.get(), abi.value("SerializationFlag", flag)))
      throw refused_since("setFlag", mark);
  HostMemory plan(abi, abi.call(calls::CudaEngine_serializeWithConfig, get(), config.get()));
  if (!plan) throw refused_since("serializeWithConfig", mark);
  return plan;
}

std::vector<std::string> Engine::refit(const Source& model) const {
  const Abi& abi = this->abi();
  const uint64_t mark = prepare();
  use_cuda();
  const Owned refitter = library->refitter(get(), *logger, *sink, mark);
  abi.call(calls::Refitter_setErrorRecorder, refitter.get(), recorder.get());
  const OwnedParser parser(abi, calls::OnnxParserRefitter_destroy, library->parser_refitter(refitter.get(), *logger, *sink, mark));
  const SourceBytes bytes(model);
  const char* path = model.path.empty() ? nullptr : model.path.c_str();
  if (!abi.call(calls::OnnxParserRefitter_refitFromBytes, parser.get(), bytes.data(), bytes.size(), path)) {
    throw Failure{"PARSE_FAILED", "The model's weights do not fit the engine", {}}
        .with("errors", parser_errors(abi, calls::OnnxParserRefitter_getNbErrors, calls::OnnxParserRefitter_getError, parser.get()))
        .with("log", sink->recent(mark));
  }
  const int32_t missing = abi.call(calls::Refitter_getMissingWeights, refitter.get(), 0, nullptr);
  std::vector<Text> names(static_cast<size_t>(std::max(missing, 0)));
  if (missing > 0) abi.call(calls::Refitter_getMissingWeights, refitter.get(), missing, names.data());
  else if (!abi.call(calls::Refitter_refitCudaEngine, refitter.get())) throw refused_since("refitCudaEngine", mark);
  std::vector<std::string> result;
  for (Text name : names) result.push_back(text(name));
  return result;
}

void Engine::destroy() {
  if (!engine_ && !runtime_) return;
  try {
    use_cuda();
  } catch (const Failure&) {
    // The context is gone; TensorRT then reports what it cannot free.
  }
  engine_.reset();
  runtime_.reset();
}

}  // namespace lowlat_trt
