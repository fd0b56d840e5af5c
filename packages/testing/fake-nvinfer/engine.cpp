#include "engine.h"

#include <algorithm>

#include "callbacks.h"
#include "context.h"
#include "control.h"
#include "host_memory.h"
#include "inspector.h"

namespace fake_nvinfer {

Engine::~Engine() {
  if (contexts) note_violation("an engine was destroyed before " + std::to_string(contexts) + " of its contexts");
  if (runtime) runtime->engines--;
}

std::shared_ptr<const Graph> Engine::current_graph() {
  const std::lock_guard<std::mutex> lock(mutex);
  return graph;
}

int64_t Engine::weight_bytes() const {
  int64_t bytes = 0;
  for (const auto& [tensor, constant] : plan.graph.constants)
    bytes += static_cast<int64_t>(aligned(bytes_of(plan.graph.tensors[static_cast<size_t>(tensor)].type, constant.shape)));
  return bytes;
}

int Engine::upload() {
  const std::shared_ptr<const Graph> graph = current_graph();
  if (!weights.address())
    if (const int result = weights.allocate(static_cast<size_t>(weight_bytes()))) return result;
  uintptr_t address = weights.address();
  for (const auto& [tensor, constant] : graph->constants) {
    weight_addresses[tensor] = address;
    if (!constant.bytes.empty())
      if (const int result = cuda()->memcpy_to_device(address, constant.bytes.data(), constant.bytes.size())) return result;
    address += aligned(bytes_of(graph->tensors[static_cast<size_t>(tensor)].type, constant.shape));
  }
  return 0;
}

int64_t Engine::activation_bytes(size_t profile) {
  return static_cast<int64_t>(Inference(current_graph(), inputs_of(plan, profile, Selector::max)).activation_bytes());
}

int64_t Engine::activation_bytes() {
  int64_t most = 0;
  for (size_t i = 0; i < profiles(); i++) most = std::max(most, activation_bytes(i));
  return most;
}

bool Engine::is_busy() const {
  for (const std::weak_ptr<TaskGroup>& weak : groups) {
    const std::shared_ptr<TaskGroup> group = weak.lock();
    if (group && (group->pending > 0 || is_running(*group))) return true;
  }
  return false;
}

int64_t Engine::scratch_bytes() const {
  if (!streams_weights()) return 0;
  size_t largest = 0;
  for (const auto& [tensor, constant] : plan.graph.constants)
    largest = std::max(largest, aligned(bytes_of(plan.graph.tensors[static_cast<size_t>(tensor)].type, constant.shape)));
  // One is used while the next comes.
  return static_cast<int64_t>(2 * largest);
}

namespace {

/** An input or output by its name, or null; reports where there is none. */
const TensorInfo* find_io(Engine& self, const char* method, const char* name, int* index = nullptr) {
  const Graph& graph = self.plan.graph;
  const int tensor = name ? graph.find(name) : -1;
  if (tensor >= 0 && (graph.is_input(tensor) || graph.is_output(tensor))) {
    if (index) *index = tensor;
    return &graph.tensors[static_cast<size_t>(tensor)];
  }
  report(self, ErrorCode::invalid_argument, std::string("CudaEngine.") + method,
         std::string(name ? name : "null") + " is neither an input nor an output");
  return nullptr;
}

bool is_profile(Engine& self, int32_t profile) { return profile >= 0 && static_cast<size_t>(profile) < self.profiles(); }

std::string format_of(const TensorInfo& info) { return std::string("Row-major linear ") + name_of(info.type) + " format (kLINEAR)"; }

}  // namespace

FAKE_METHOD(CudaEngine, getNbLayers, int32_t, (Engine & self)) { return static_cast<int32_t>(self.plan.graph.layers.size()); }
FAKE_METHOD(CudaEngine, getName, const char*, (Engine & self)) { return self.plan.graph.name.c_str(); }
FAKE_METHOD(CudaEngine, getNbOptimizationProfiles, int32_t, (Engine & self)) { return static_cast<int32_t>(self.profiles()); }
FAKE_METHOD(CudaEngine, getNbAuxStreams, int32_t, (Engine & self)) { return self.plan.aux_streams; }
FAKE_METHOD(CudaEngine, isRefittable, bool, (Engine & self)) { return self.plan.refittable; }
FAKE_METHOD(CudaEngine, getHardwareCompatibilityLevel, int32_t, (Engine & self)) { return self.plan.hardware; }
FAKE_METHOD(CudaEngine, getEngineCapability, int32_t, (Engine&)) { return 0; }
FAKE_METHOD(CudaEngine, getTacticSources, uint32_t, (Engine & self)) { return static_cast<uint32_t>(self.plan.tactic_sources); }
FAKE_METHOD(CudaEngine, getProfilingVerbosity, Verbosity, (Engine & self)) { return self.plan.verbosity; }
FAKE_METHOD(CudaEngine, setErrorRecorder, void, (Engine & self, void* recorder)) { set_recorder(self, recorder); }
FAKE_METHOD(CudaEngine, getErrorRecorder, void*, (Engine & self)) { return self.recorder; }

FAKE_METHOD(CudaEngine, getNbIOTensors, int32_t, (Engine & self)) {
  return static_cast<int32_t>(self.plan.graph.inputs.size() + self.plan.graph.outputs.size());
}
FAKE_METHOD(CudaEngine, getIOTensorName, const char*, (Engine & self, int32_t index)) {
  std::vector<int> all = self.plan.graph.inputs;
  all.insert(all.end(), self.plan.graph.outputs.begin(), self.plan.graph.outputs.end());
  if (index < 0 || static_cast<size_t>(index) >= all.size()) return nullptr;
  return self.plan.graph.tensors[static_cast<size_t>(all[static_cast<size_t>(index)])].name.c_str();
}
FAKE_METHOD(CudaEngine, getTensorShape, Dims, (Engine & self, const char* name)) {
  const TensorInfo* info = find_io(self, "getTensorShape", name);
  return info ? to_dims(info->shape) : no_dims();
}
FAKE_METHOD(CudaEngine, getTensorDataType, DataType, (Engine & self, const char* name)) {
  const TensorInfo* info = find_io(self, "getTensorDataType", name);
  return info ? info->type : DataType::float32;
}
FAKE_METHOD(CudaEngine, getTensorIOMode, Mode, (Engine & self, const char* name)) {
  int index = -1;
  if (!find_io(self, "getTensorIOMode", name, &index)) return Mode::none;
  return self.plan.graph.is_input(index) ? Mode::input : Mode::output;
}
FAKE_METHOD(CudaEngine, getTensorLocation, Location, (Engine & self, const char* name)) {
  int index = -1;
  return find_io(self, "getTensorLocation", name, &index) && self.plan.graph.shape_inputs.count(index) ? Location::host : Location::device;
}
FAKE_METHOD(CudaEngine, isShapeInferenceIO, bool, (Engine & self, const char* name)) {
  int index = -1;
  return find_io(self, "isShapeInferenceIO", name, &index) && self.plan.graph.shape_inputs.count(index);
}
/** Not vectorised: -1 for bytes, components and the vectorised dimension. */
FAKE_METHOD(CudaEngine, getTensorBytesPerComponent, int32_t, (Engine&, const char*)) { return -1; }
FAKE_METHOD(CudaEngine, getTensorBytesPerComponentV2, int32_t, (Engine&, const char*, int32_t)) { return -1; }
FAKE_METHOD(CudaEngine, getTensorComponentsPerElement, int32_t, (Engine&, const char*)) { return -1; }
FAKE_METHOD(CudaEngine, getTensorComponentsPerElementV2, int32_t, (Engine&, const char*, int32_t)) { return -1; }
FAKE_METHOD(CudaEngine, getTensorVectorizedDim, int32_t, (Engine&, const char*)) { return -1; }
FAKE_METHOD(CudaEngine, getTensorVectorizedDimV2, int32_t, (Engine&, const char*, int32_t)) { return -1; }
/** TensorFormat::kLINEAR is 0. */
FAKE_METHOD(CudaEngine, getTensorFormat, int32_t, (Engine & self, const char* name)) {
  find_io(self, "getTensorFormat", name);
  return 0;
}
FAKE_METHOD(CudaEngine, getTensorFormatV2, int32_t, (Engine & self, const char* name, int32_t)) {
  find_io(self, "getTensorFormat", name);
  return 0;
}

namespace {

const char* format_text(Engine& self, const char* name) {
  static thread_local std::string text;
  const TensorInfo* info = find_io(self, "getTensorFormatDesc", name);
  if (!info) return nullptr;
  text = format_of(*info);
  return text.c_str();
}

}  // namespace

FAKE_METHOD(CudaEngine, getTensorFormatDesc, const char*, (Engine & self, const char* name)) { return format_text(self, name); }
FAKE_METHOD(CudaEngine, getTensorFormatDescV2, const char*, (Engine & self, const char* name, int32_t)) { return format_text(self, name); }

FAKE_METHOD(CudaEngine, getProfileShape, Dims, (Engine & self, const char* name, int32_t profile, Selector selector)) {
  int index = -1;
  const TensorInfo* info = find_io(self, "getProfileShape", name, &index);
  if (!info || !self.plan.graph.is_input(index) || !is_profile(self, profile)) {
    report(self, ErrorCode::invalid_argument, "CudaEngine.getProfileShape", "an input and a profile of the engine are needed");
    return no_dims();
  }
  return to_dims(inputs_of(self.plan, static_cast<size_t>(profile), selector).shapes.at(index));
}

FAKE_METHOD(CudaEngine, getProfileTensorValuesV2, const int64_t*, (Engine & self, const char* name, int32_t profile, Selector selector)) {
  if (!is_profile(self, profile)) return nullptr;
  const auto& values = self.plan.profiles[static_cast<size_t>(profile)].values;
  const auto found = values.find(name);
  return found == values.end() ? nullptr : found->second[static_cast<size_t>(selector)].data();
}

FAKE_METHOD(CudaEngine, getDeviceMemorySizeV2, int64_t, (Engine & self)) { return self.context_bytes(); }
FAKE_METHOD(CudaEngine, getDeviceMemorySize, size_t, (Engine & self)) { return static_cast<size_t>(self.activation_bytes()); }
FAKE_METHOD(CudaEngine, getDeviceMemorySizeForProfileV2, int64_t, (Engine & self, int32_t profile)) {
  return is_profile(self, profile) ? self.activation_bytes(static_cast<size_t>(profile)) + self.scratch_bytes() : 0;
}
FAKE_METHOD(CudaEngine, getDeviceMemorySizeForProfile, size_t, (Engine & self, int32_t profile)) {
  return is_profile(self, profile) ? static_cast<size_t>(self.activation_bytes(static_cast<size_t>(profile))) : 0;
}

FAKE_METHOD(CudaEngine, getStreamableWeightsSize, int64_t, (Engine & self)) { return self.plan.weight_streaming ? self.weight_bytes() : 0; }
FAKE_METHOD(CudaEngine, setWeightStreamingBudgetV2, bool, (Engine & self, int64_t bytes)) {
  if (!self.plan.weight_streaming || bytes < 0 || self.contexts) {
    report(self, ErrorCode::invalid_state, "CudaEngine.setWeightStreamingBudgetV2",
           "the engine needs weight streaming and no context, and the budget may not be negative");
    return false;
  }
  self.streaming_budget = std::min(bytes, self.weight_bytes());
  return true;
}
FAKE_METHOD(CudaEngine, getWeightStreamingBudgetV2, int64_t, (Engine & self)) { return self.streaming_budget; }
FAKE_METHOD(CudaEngine, getWeightStreamingAutomaticBudget, int64_t, (Engine & self)) {
  return self.plan.weight_streaming ? self.weight_bytes() : 0;
}
FAKE_METHOD(CudaEngine, getWeightStreamingScratchMemorySize, int64_t, (Engine & self)) { return self.scratch_bytes(); }

FAKE_METHOD(CudaEngine, createEngineInspector, void*, (Engine & self)) { return create_inspector(self); }

struct SerializationConfig : Body {
  static constexpr Class type = Class::SerializationConfig;
  uint32_t flags = 0;
  bool has(const char* name) const {
    const std::optional<int32_t> flag = enumerator("SerializationFlag", name);
    return flag && flags >> *flag & 1;
  }
};

FAKE_METHOD(CudaEngine, createSerializationConfig, void*, (Engine&)) { return handle_of(*make<SerializationConfig>()); }

namespace {

/** With the weights that it has now. */
void* serialize(Engine& self, bool with_weights, bool with_refit) {
  Plan plan = self.plan;
  plan.graph = *self.current_graph();
  plan.refittable = plan.refittable && with_refit;
  return publish_bytes(write_plan(plan, with_weights && !self.weights_missing));
}

}  // namespace

FAKE_METHOD(CudaEngine, serialize, void*, (Engine & self)) { return serialize(self, true, true); }
FAKE_METHOD(CudaEngine, serializeWithConfig, void*, (Engine & self, void* handle)) {
  const auto& config = body_of<SerializationConfig>(handle);
  if (config.has("EXCLUDE_WEIGHTS") && !self.plan.refittable) {
    report(self, ErrorCode::invalid_argument, "CudaEngine.serializeWithConfig", "weights can only be excluded from a refittable engine");
    return nullptr;
  }
  return serialize(self, !config.has("EXCLUDE_WEIGHTS"), true);
}

FAKE_METHOD(SerializationConfig, setFlag, bool, (SerializationConfig & self, int32_t flag)) {
  if (!lowlat_trt::enumName(library_version(), "SerializationFlag", flag)) return false;
  self.flags |= 1u << flag;
  return true;
}
FAKE_METHOD(SerializationConfig, clearFlag, bool, (SerializationConfig & self, int32_t flag)) {
  self.flags &= ~(1u << flag);
  return true;
}
FAKE_METHOD(SerializationConfig, getFlag, bool, (SerializationConfig & self, int32_t flag)) { return self.flags >> flag & 1; }
FAKE_METHOD(SerializationConfig, setFlags, bool, (SerializationConfig & self, uint32_t flags)) {
  self.flags = flags;
  return true;
}
FAKE_METHOD(SerializationConfig, getFlags, uint32_t, (SerializationConfig & self)) { return self.flags; }

struct RuntimeConfig : Body {
  static constexpr Class type = Class::RuntimeConfig;
  Allocation allocation = Allocation::own;
};

FAKE_METHOD(CudaEngine, createRuntimeConfig, void*, (Engine&)) { return handle_of(*make<RuntimeConfig>()); }
FAKE_METHOD(RuntimeConfig, setExecutionContextAllocationStrategy, void, (RuntimeConfig & self, Allocation allocation)) {
  self.allocation = allocation;
}
FAKE_METHOD(RuntimeConfig, getExecutionContextAllocationStrategy, Allocation, (RuntimeConfig & self)) { return self.allocation; }

FAKE_METHOD(CudaEngine, createExecutionContext, void*, (Engine & self, Allocation allocation)) { return create_context(self, allocation); }
FAKE_METHOD(CudaEngine, createExecutionContextWithoutDeviceMemory, void*, (Engine & self)) { return create_context(self, Allocation::user); }
FAKE_METHOD(CudaEngine, createExecutionContextWithRuntimeConfig, void*, (Engine & self, void* config)) {
  return create_context(self, body_of<RuntimeConfig>(config).allocation);
}
FAKE_METHOD(CudaEngine, createRefitter, void*, (Engine & self, void* logger)) { return create_refitter(handle_of(self), logger); }

}  // namespace fake_nvinfer
