#include "callbacks.h"
#include "control.h"
#include "engine.h"

namespace fake_nvinfer {

namespace {

/** The names that a caller gets, at most as many as it has room for; returns how many there are. */
int32_t write_names(Refitter& self, std::vector<std::string> found, int32_t size, const char** names) {
  self.names = std::move(found);
  for (size_t i = 0; names && i < self.names.size() && static_cast<int32_t>(i) < size; i++) names[i] = self.names[i].c_str();
  return static_cast<int32_t>(self.names.size());
}

}  // namespace

void* create_refitter(void* engine, void* logger) {
  auto& of = body_of<Engine>(engine);
  if (!of.plan.refittable) {
    report(of, ErrorCode::invalid_state, "CudaEngine.createRefitter", "the engine is not refittable");
    return nullptr;
  }
  auto* refitter = make<Refitter>();
  refitter->logger = logger;
  refitter->engine = &of;
  return handle_of(*refitter);
}

bool Refitter::set(const std::string& name, DataType weights_type, const void* values, int64_t count) {
  const Graph& graph = engine->plan.graph;
  const int tensor = graph.find(name);
  if (tensor < 0 || !is_refittable(engine->plan, tensor)) {
    report(*this, ErrorCode::invalid_argument, "Refitter.setNamedWeights", "the engine has no weights " + name + " that can be replaced");
    return false;
  }
  const Constant& constant = graph.constants.at(tensor);
  const DataType own = graph.tensors[static_cast<size_t>(tensor)].type;
  if (weights_type != own || count != volume(constant.shape)) {
    report(*this, ErrorCode::invalid_argument, "Refitter.setNamedWeights",
           name + " has " + std::to_string(volume(constant.shape)) + " values of type " + name_of(own) + ", not " + std::to_string(count) +
               " of type " + name_of(weights_type));
    return false;
  }
  const auto before = engine->plan.identical.find(name);
  const size_t bytes = static_cast<size_t>(count) * bytes_of(own);
  if (before != engine->plan.identical.end() && before->second != hash(values, bytes))
    note_violation("other values came for the weights " + name + ", which were only to be given again as they were");
  weights[name].assign(static_cast<const char*>(values), bytes);
  return true;
}

std::vector<std::string> Refitter::all() const {
  std::vector<std::string> result;
  for (const auto& [tensor, constant] : engine->plan.graph.constants)
    if (is_refittable(engine->plan, tensor)) result.push_back(engine->plan.graph.tensors[static_cast<size_t>(tensor)].name);
  return result;
}

std::vector<std::string> Refitter::missing() const {
  std::vector<std::string> result;
  for (const std::string& name : all())
    if (engine->weights_missing && !weights.count(name)) result.push_back(name);
  return result;
}

FAKE_METHOD(Refitter, setNamedWeights, bool, (Refitter & self, const char* name, Weights weights)) {
  return self.set(name, static_cast<DataType>(weights.type), weights.values, weights.count);
}
FAKE_METHOD(Refitter, unsetNamedWeights, bool, (Refitter & self, const char* name)) { return self.weights.erase(name) != 0; }
FAKE_METHOD(Refitter, getMissingWeights, int32_t, (Refitter & self, int32_t size, const char** names)) {
  return write_names(self, self.missing(), size, names);
}
FAKE_METHOD(Refitter, getAllWeights, int32_t, (Refitter & self, int32_t size, const char** names)) {
  return write_names(self, self.all(), size, names);
}

namespace {

bool refit(Refitter& self) {
  Engine& engine = *self.engine;
  if (engine.is_busy()) note_violation("an engine was refitted while its work was queued");
  const std::vector<std::string> missing = self.missing();
  if (!missing.empty()) {
    report(self, ErrorCode::invalid_state, "Refitter.refitCudaEngine",
           std::to_string(missing.size()) + " weights are missing, the first is " + missing[0]);
    return false;
  }
  auto graph = std::make_shared<Graph>(*engine.current_graph());
  for (const auto& [name, bytes] : self.weights) graph->constants.at(graph->find(name)).bytes = bytes;
  {
    const std::lock_guard<std::mutex> lock(engine.mutex);
    engine.graph = graph;
    engine.weights_missing = false;
  }
  if (const int result = engine.upload()) {
    report(self, ErrorCode::failed_execution, "Refitter.refitCudaEngine", cuda_error(result));
    return false;
  }
  self.weights.clear();
  return true;
}

}  // namespace

FAKE_METHOD(Refitter, refitCudaEngine, bool, (Refitter & self)) { return refit(self); }
FAKE_METHOD(Refitter, refitCudaEngineAsync, bool, (Refitter & self, Stream stream)) {
  return cuda()->stream_synchronize(stream) == 0 && refit(self);
}
FAKE_METHOD(Refitter, setErrorRecorder, void, (Refitter & self, void* recorder)) { set_recorder(self, recorder); }
FAKE_METHOD(Refitter, getErrorRecorder, void*, (Refitter & self)) { return self.recorder; }
FAKE_METHOD(Refitter, getLogger, void*, (Refitter & self)) { return self.logger; }
FAKE_METHOD(Refitter, setWeightsValidation, void, (Refitter & self, bool on)) { self.validates = on; }
FAKE_METHOD(Refitter, getWeightsValidation, bool, (Refitter & self)) { return self.validates; }
FAKE_METHOD(Refitter, setMaxThreads, bool, (Refitter & self, int32_t threads)) {
  if (threads < 1) return false;
  self.max_threads = threads;
  return true;
}
FAKE_METHOD(Refitter, getMaxThreads, int32_t, (Refitter & self)) { return self.max_threads; }

}  // namespace fake_nvinfer
