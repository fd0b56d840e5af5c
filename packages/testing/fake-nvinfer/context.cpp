#include "context.h"

#include <algorithm>
#include <set>

#include "callbacks.h"
#include "control.h"

namespace fake_nvinfer {

Context::~Context() {
  if (tasks && ((tasks->pending > 0 && ran && cuda()->stream_query(last_stream) == 600) || is_running(*tasks)))
    note_violation("an execution context was destroyed while its work was queued");
  drop_captured(tasks.get());
  if (count) cuda()->mem_free_host(count);
  for (const Event event : events) cuda()->event_destroy(event);
  for (const Stream stream : own_aux_streams) cuda()->stream_destroy(stream);
  if (engine) engine->contexts--;
}

void* create_context(Engine& engine, Allocation allocation) {
  const char* where = "CudaEngine.createExecutionContext";
  if (!has_context()) {
    report(engine, ErrorCode::failed_initialization, where, "the calling thread has no CUDA context");
    return nullptr;
  }
  if (allocation < Allocation::own || allocation > Allocation::user) {
    report(engine, ErrorCode::invalid_argument, where, "there is no such allocation strategy");
    return nullptr;
  }
  auto* context = make<Context>();
  context->engine = &engine;
  context->logger = engine.logger;
  context->allocation = allocation;
  set_recorder(*context, engine.recorder);
  context->tasks = std::make_shared<TaskGroup>(engine.plan.graph.layers.size());
  context->profile_changes = std::make_shared<TaskGroup>(0);
  engine.groups.push_back(context->tasks);
  engine.contexts++;
  const int64_t bytes = allocation == Allocation::own    ? engine.context_bytes()
                        : allocation == Allocation::user ? 0
                                                         : engine.activation_bytes(0) + engine.scratch_bytes();
  int result = context->memory.allocate(static_cast<size_t>(bytes));
  if (result == 0) result = cuda()->mem_host_alloc(reinterpret_cast<void**>(&context->count), sizeof(int64_t), 0);
  for (int32_t i = 0; i < engine.plan.aux_streams && result == 0; i++) {
    Stream stream = nullptr;
    result = cuda()->stream_create(&stream, 1);
    if (result == 0) context->own_aux_streams.push_back(stream);
  }
  if (result == 0) return handle_of(*context);
  report(engine, result == 2 ? ErrorCode::failed_allocation : ErrorCode::failed_initialization, where,
         (result == 2 ? "out of memory: " : "") + std::to_string(bytes) + " bytes of device memory: " + cuda_error(result));
  reinterpret_cast<void (*)(void*)>(context->object->shown.vtable[lowlat_trt::kPublicDestroySlot])(&context->object->shown);
  return nullptr;
}

const Shape* Context::shape_of_input(int input) const {
  const auto given = shapes.find(input);
  if (given != shapes.end()) return &given->second;
  const Shape& declared = engine->plan.graph.tensors[static_cast<size_t>(input)].shape;
  return is_dynamic(declared) ? nullptr : &declared;
}

std::vector<std::string> Context::unspecified_inputs() const {
  std::vector<std::string> names;
  const Graph& graph = engine->plan.graph;
  for (const int input : graph.inputs)
    if (!shape_of_input(input) || (graph.shape_inputs.count(input) && !addresses.count(input)))
      names.push_back(graph.tensors[static_cast<size_t>(input)].name);
  return names;
}

void Context::invalidate() {
  tasks->shapes++;
  inference = nullptr;
  warm = false;
}

std::shared_ptr<const Inference> Context::infer() {
  if (!unspecified_inputs().empty()) return nullptr;
  const std::shared_ptr<const Graph> graph = engine->current_graph();
  Inputs inputs;
  for (const int input : graph->inputs) {
    inputs.shapes[input] = *shape_of_input(input);
    if (!graph->shape_inputs.count(input)) continue;
    const size_t bytes = bytes_of(graph->tensors[static_cast<size_t>(input)].type, inputs.shapes[input]);
    const auto address = reinterpret_cast<uintptr_t>(addresses.at(input));
    const MemoryKind kind = kind_of(address);
    // On a real GPU the host cannot read there.
    if (kind == MemoryKind::device) throw std::runtime_error("the values of " + graph->tensors[static_cast<size_t>(input)].name + " have to lie on the host");
    if (kind == MemoryKind::host && bytes_from(address) < bytes)
      throw std::runtime_error(graph->tensors[static_cast<size_t>(input)].name + " needs " + std::to_string(bytes) + " bytes, its memory has " +
                               std::to_string(bytes_from(address)));
    inputs.values[input] = std::string(reinterpret_cast<const char*>(address), bytes);
  }
  if (inference && &inference->graph() == graph.get() && inference->inputs() == inputs) return inference;
  if (inference && !(inference->inputs() == inputs)) warm = false;
  inference = std::make_shared<const Inference>(graph, inputs);
  return inference;
}

namespace {

std::string method(const char* name) { return std::string("ExecutionContext.") + name; }

/** An input or output by its name, or -1; reports where there is none. */
int find_io(Context& self, const char* name_of_method, const char* name) {
  const Graph& graph = self.engine->plan.graph;
  const int tensor = name ? graph.find(name) : -1;
  if (tensor >= 0 && (graph.is_input(tensor) || graph.is_output(tensor))) return tensor;
  report(self, ErrorCode::invalid_argument, method(name_of_method),
         std::string(name ? name : "null") + " is neither an input nor an output");
  return -1;
}

bool refuse(Context& self, const char* name_of_method, ErrorCode code, const std::string& message) {
  report(self, code, method(name_of_method), message);
  return false;
}

/** Device addresses as TensorRT wants them. */
bool is_aligned(const void* address) { return reinterpret_cast<uintptr_t>(address) % 256 == 0; }

bool set_address(Context& self, const char* name_of_method, const char* name, void* address, bool as_input, bool as_output) {
  const int tensor = find_io(self, name_of_method, name);
  if (tensor < 0) return false;
  const Graph& graph = self.engine->plan.graph;
  if (!(graph.is_input(tensor) ? as_input : as_output))
    return refuse(self, name_of_method, ErrorCode::invalid_argument, std::string(name) + " is of the other direction");
  if (!graph.shape_inputs.count(tensor) && !is_aligned(address))
    return refuse(self, name_of_method, ErrorCode::invalid_argument, std::string("the address of ") + name + " is no multiple of 256");
  if (address) self.addresses[tensor] = address;
  else self.addresses.erase(tensor);
  return true;
}

void* get_address(Context& self, const char* name_of_method, const char* name) {
  const int tensor = find_io(self, name_of_method, name);
  const auto found = self.addresses.find(tensor);
  return found == self.addresses.end() ? nullptr : found->second;
}

}  // namespace

FAKE_METHOD(ExecutionContext, setInputShape, bool, (Context & self, const char* name, const Dims& dims)) {
  const int input = find_io(self, "setInputShape", name);
  Shape shape;
  if (input < 0) return false;
  const Graph& graph = self.engine->plan.graph;
  const Shape& declared = graph.tensors[static_cast<size_t>(input)].shape;
  if (!graph.is_input(input) || !to_shape(dims, shape) || is_dynamic(shape) || shape.size() != declared.size())
    return refuse(self, "setInputShape", ErrorCode::invalid_argument,
                  std::string(name) + " takes " + std::to_string(declared.size()) + " sizes that are not negative");
  const Shape low = inputs_of(self.engine->plan, self.profile, Selector::min).shapes.at(input);
  const Shape high = inputs_of(self.engine->plan, self.profile, Selector::max).shapes.at(input);
  for (size_t d = 0; d < shape.size(); d++) {
    if (declared[d] >= 0 && shape[d] != declared[d])
      return refuse(self, "setInputShape", ErrorCode::invalid_argument,
                    std::string(name) + " has a static dimension " + std::to_string(declared[d]) + ", given is " + text_of(shape));
    if (shape[d] < low[d] || shape[d] > high[d])
      return refuse(self, "setInputShape", ErrorCode::invalid_argument,
                    text_of(shape) + " for " + name + " is outside of profile " + std::to_string(self.profile) + ", which goes from " +
                        text_of(low) + " to " + text_of(high));
  }
  if (const Shape* now = self.shape_of_input(input); !now || *now != shape) self.invalidate();
  self.shapes[input] = shape;
  return true;
}

FAKE_METHOD(ExecutionContext, setOptimizationProfileAsync, bool, (Context & self, int32_t profile, Stream stream)) {
  if (profile < 0 || static_cast<size_t>(profile) >= self.engine->profiles())
    return refuse(self, "setOptimizationProfileAsync", ErrorCode::invalid_argument, "there is no profile " + std::to_string(profile));
  int capturing = 0;
  if (const int result = cuda()->stream_is_capturing(stream, &capturing); result != 0 || capturing)
    return refuse(self, "setOptimizationProfileAsync", ErrorCode::invalid_state,
                  capturing ? "the stream is being captured" : cuda_error(result));
  auto change = std::make_shared<Task>();
  change->kind = TaskKind::change;
  change->group = self.profile_changes;
  if (const int result = launch(change, stream, false))
    return refuse(self, "setOptimizationProfileAsync", ErrorCode::failed_execution, cuda_error(result));
  self.profile_stream = stream;
  self.profile = static_cast<size_t>(profile);
  self.shapes.clear();
  self.invalidate();
  if (self.allocation != Allocation::on_profile_change) return true;
  const int64_t bytes = self.engine->activation_bytes(self.profile) + self.engine->scratch_bytes();
  if (const int result = self.memory.allocate(static_cast<size_t>(bytes)))
    return refuse(self, "setOptimizationProfileAsync", ErrorCode::failed_allocation,
                  "out of memory: " + std::to_string(bytes) + " bytes of device memory: " + cuda_error(result));
  return true;
}

FAKE_METHOD(ExecutionContext, getOptimizationProfile, int32_t, (Context & self)) { return static_cast<int32_t>(self.profile); }
FAKE_METHOD(ExecutionContext, allInputDimensionsSpecified, bool, (Context & self)) { return self.unspecified_inputs().empty(); }
FAKE_METHOD(ExecutionContext, allInputShapesSpecified, bool, (Context & self)) { return self.unspecified_inputs().empty(); }

FAKE_METHOD(ExecutionContext, inferShapes, int32_t, (Context & self, int32_t room, const char** names)) {
  if (room < 0 || (room && !names)) return -1;
  const Graph& graph = self.engine->plan.graph;
  const std::vector<std::string> missing = self.unspecified_inputs();
  for (size_t i = 0; names && i < missing.size() && static_cast<int32_t>(i) < room; i++)
    names[i] = graph.tensors[static_cast<size_t>(graph.find(missing[i]))].name.c_str();
  if (!missing.empty()) return static_cast<int32_t>(missing.size());
  try {
    self.infer();
    return 0;
  } catch (const std::runtime_error& error) {
    refuse(self, "inferShapes", ErrorCode::invalid_argument, error.what());
    return -1;
  }
}

namespace {

/** A tensor's shape as far as it is known: -1 for what is not. */
Shape known_shape(Context& self, int tensor) {
  const Graph& graph = self.engine->plan.graph;
  const Shape& declared = graph.tensors[static_cast<size_t>(tensor)].shape;
  if (graph.is_input(tensor)) {
    const Shape* given = self.shape_of_input(tensor);
    return given ? *given : declared;
  }
  std::shared_ptr<const Inference> inference;
  try {
    inference = self.infer();
  } catch (const std::runtime_error& error) {
    refuse(self, "getTensorShape", ErrorCode::invalid_argument, error.what());
  }
  if (!inference) return declared;
  Shape shape = inference->state(tensor).shape;
  if (inference->state(tensor).data_dependent)
    for (size_t d = 0; d < shape.size() && d < declared.size(); d++)
      if (declared[d] < 0) shape[d] = -1;
  return shape;
}

}  // namespace

FAKE_METHOD(ExecutionContext, getTensorShape, Dims, (Context & self, const char* name)) {
  const int tensor = find_io(self, "getTensorShape", name);
  return tensor < 0 ? no_dims() : to_dims(known_shape(self, tensor));
}

FAKE_METHOD(ExecutionContext, getTensorStrides, Dims, (Context & self, const char* name)) {
  const int tensor = find_io(self, "getTensorStrides", name);
  if (tensor < 0) return no_dims();
  Shape strides = known_shape(self, tensor);
  int64_t stride = 1;
  for (size_t d = strides.size(); d-- > 0;) {
    const int64_t size = std::exchange(strides[d], stride);
    stride = size < 0 || stride < 0 ? -1 : stride * size;
  }
  return to_dims(strides);
}

FAKE_METHOD(ExecutionContext, getMaxOutputSize, int64_t, (Context & self, const char* name)) {
  const int tensor = find_io(self, "getMaxOutputSize", name);
  if (tensor < 0 || !self.engine->plan.graph.is_output(tensor)) return -1;
  try {
    const std::shared_ptr<const Inference> inference = self.infer();
    const DataType type = self.engine->plan.graph.tensors[static_cast<size_t>(tensor)].type;
    return inference ? static_cast<int64_t>(bytes_of(type, inference->state(tensor).shape)) : -1;
  } catch (const std::runtime_error&) {
    return -1;
  }
}

FAKE_METHOD(ExecutionContext, updateDeviceMemorySizeForShapes, size_t, (Context & self)) {
  try {
    const std::shared_ptr<const Inference> inference = self.infer();
    if (inference) return inference->activation_bytes() + static_cast<size_t>(self.engine->scratch_bytes());
    refuse(self, "updateDeviceMemorySizeForShapes", ErrorCode::invalid_state, "not all inputs are specified");
  } catch (const std::runtime_error& error) {
    refuse(self, "updateDeviceMemorySizeForShapes", ErrorCode::invalid_argument, error.what());
  }
  return 0;
}

FAKE_METHOD(ExecutionContext, setTensorAddress, bool, (Context & self, const char* name, void* address)) {
  return set_address(self, "setTensorAddress", name, address, true, true);
}
FAKE_METHOD(ExecutionContext, setInputTensorAddress, bool, (Context & self, const char* name, const void* address)) {
  return set_address(self, "setInputTensorAddress", name, const_cast<void*>(address), true, false);
}
FAKE_METHOD(ExecutionContext, setOutputTensorAddress, bool, (Context & self, const char* name, void* address)) {
  return set_address(self, "setOutputTensorAddress", name, address, false, true);
}
FAKE_METHOD(ExecutionContext, getTensorAddress, void*, (Context & self, const char* name)) { return get_address(self, "getTensorAddress", name); }
FAKE_METHOD(ExecutionContext, getOutputTensorAddress, void*, (Context & self, const char* name)) {
  return get_address(self, "getOutputTensorAddress", name);
}

FAKE_METHOD(ExecutionContext, setOutputAllocator, bool, (Context & self, const char* name, void* allocator)) {
  const int tensor = find_io(self, "setOutputAllocator", name);
  if (tensor < 0 || !self.engine->plan.graph.is_output(tensor)) return false;
  if (allocator && !is_interface(self, Class::OutputAllocator, allocator)) return false;
  if (allocator) self.allocators[tensor] = allocator;
  else self.allocators.erase(tensor);
  return true;
}
FAKE_METHOD(ExecutionContext, getOutputAllocator, void*, (Context & self, const char* name)) {
  const auto found = self.allocators.find(find_io(self, "getOutputAllocator", name));
  return found == self.allocators.end() ? nullptr : found->second;
}

namespace {

void set_memory(Context& self, const char* name_of_method, void* memory, int64_t bytes) {
  if (self.allocation != Allocation::user) {
    refuse(self, name_of_method, ErrorCode::invalid_state, "the context was made with device memory of its own");
  } else if (!is_aligned(memory)) {
    refuse(self, name_of_method, ErrorCode::invalid_argument, "the address is no multiple of 256");
  } else {
    self.user_memory = reinterpret_cast<uintptr_t>(memory);
    self.user_bytes = bytes;
  }
}

}  // namespace

FAKE_METHOD(ExecutionContext, setDeviceMemory, void, (Context & self, void* memory)) { set_memory(self, "setDeviceMemory", memory, -1); }
FAKE_METHOD(ExecutionContext, setDeviceMemoryV2, void, (Context & self, void* memory, int64_t bytes)) {
  set_memory(self, "setDeviceMemoryV2", memory, bytes);
}

FAKE_METHOD(ExecutionContext, setAuxStreams, void, (Context & self, Stream* streams, int32_t count)) {
  if (count < 0 || (count && !streams)) return;
  const std::set<Stream> distinct(streams, streams + count);
  if (distinct.size() != static_cast<size_t>(count) || distinct.count(nullptr))
    note_violation("auxiliary streams have to differ, and not to be the default one");
  self.aux_streams.assign(streams, streams + count);
}

FAKE_METHOD(ExecutionContext, enqueueV3, bool, (Context & self, Stream stream)) {
  return enqueue(self, stream);
}

FAKE_METHOD(ExecutionContext, setProfiler, void, (Context & self, void* profiler)) {
  if (!profiler || is_interface(self, Class::Profiler, profiler)) self.profiler = profiler;
}
FAKE_METHOD(ExecutionContext, getProfiler, void*, (Context & self)) { return self.profiler; }
FAKE_METHOD(ExecutionContext, setEnqueueEmitsProfile, void, (Context & self, bool emits)) { self.emits_profile = emits; }
FAKE_METHOD(ExecutionContext, getEnqueueEmitsProfile, bool, (Context & self)) { return self.emits_profile; }
FAKE_METHOD(ExecutionContext, reportToProfiler, bool, (Context & self)) {
  if (!self.profiler || self.emits_profile || !self.ran)
    return refuse(self, "reportToProfiler", ErrorCode::invalid_state,
                  "there is no profiler, or enqueueV3 tells it itself, or nothing has been enqueued");
  if (const int result = cuda()->stream_synchronize(self.last_stream))
    return refuse(self, "reportToProfiler", ErrorCode::failed_execution, cuda_error(result));
  report_profile(self);
  return true;
}

FAKE_METHOD(ExecutionContext, setInputConsumedEvent, bool, (Context & self, Event event)) {
  self.input_consumed = event;
  return true;
}
FAKE_METHOD(ExecutionContext, getInputConsumedEvent, Event, (Context & self)) { return self.input_consumed; }
FAKE_METHOD(ExecutionContext, setPersistentCacheLimit, void, (Context & self, size_t bytes)) { self.persistent_cache_limit = bytes; }
FAKE_METHOD(ExecutionContext, getPersistentCacheLimit, size_t, (Context & self)) { return self.persistent_cache_limit; }
FAKE_METHOD(ExecutionContext, setNvtxVerbosity, bool, (Context & self, Verbosity verbosity)) {
  // No more than the engine was built with: none is the least.
  const bool allowed = verbosity == Verbosity::none || verbosity == self.engine->plan.verbosity ||
                       (verbosity == Verbosity::layer_names_only && self.engine->plan.verbosity == Verbosity::detailed);
  if (allowed) self.nvtx = verbosity;
  return allowed;
}
FAKE_METHOD(ExecutionContext, getNvtxVerbosity, Verbosity, (Context & self)) { return self.nvtx; }
FAKE_METHOD(ExecutionContext, setDebugSync, void, (Context & self, bool on)) { self.debug_sync = on; }
FAKE_METHOD(ExecutionContext, getDebugSync, bool, (Context & self)) { return self.debug_sync; }
FAKE_METHOD(ExecutionContext, setName, void, (Context & self, const char* name)) { self.name = name; }
FAKE_METHOD(ExecutionContext, getName, const char*, (Context & self)) { return self.name.c_str(); }
FAKE_METHOD(ExecutionContext, getEngine, void*, (Context & self)) { return handle_of(*self.engine); }
FAKE_METHOD(ExecutionContext, setErrorRecorder, void, (Context & self, void* recorder)) { set_recorder(self, recorder); }
FAKE_METHOD(ExecutionContext, getErrorRecorder, void*, (Context & self)) { return self.recorder; }

}  // namespace fake_nvinfer
