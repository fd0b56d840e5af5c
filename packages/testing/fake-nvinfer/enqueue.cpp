// One run of a network: what is checked first, then every layer on its stream.
#include <algorithm>

#include "callbacks.h"
#include "context.h"
#include "control.h"

namespace fake_nvinfer {
namespace {

const char* where = "ExecutionContext.enqueueV3";

struct Refused {};

[[noreturn]] void refuse(Context& context, ErrorCode code, const std::string& message) {
  report(context, code, where, message);
  throw Refused();
}

class Run {
 public:
  Run(Context& context, Stream stream) : context_(context), engine_(*context.engine), stream_(stream) {}
  ~Run() {
    if (run_) close_run(*run_, tasks_);
  }
  Run(const Run&) = delete;

  void queue() {
    check(cuda()->stream_is_capturing(stream_, &capturing_), "the stream");
    check_order();
    inference_ = std::make_shared<Inference>(*context_.inference);
    check_memory();
    check_tensors();
    addresses_ = context_.addresses;
    begin_run();
    choose_streams();
    ends_.assign(streams_.size(), nullptr);
    next_activation_ = context_.activation_memory();
    for (size_t i = 0; i < inference_->graph().layers.size(); i++) queue_layer(i);
    copy_known_outputs();
    join();
    if (context_.input_consumed) check(cuda()->event_record(context_.input_consumed, stream_), "the event");
    context_.last_stream = stream_;
    context_.ran = true;
    if (!capturing_) context_.warm = true;
    if (!context_.profiler || !context_.emits_profile) return;
    check(cuda()->stream_synchronize(stream_), "the stream");
    report_profile(context_);
  }

 private:
  Context& context_;
  Engine& engine_;
  Stream stream_;
  int capturing_ = 0;
  std::shared_ptr<Inference> inference_;
  std::shared_ptr<RunOfTasks> run_;
  int tasks_ = 0;
  std::map<int, void*> addresses_;
  std::vector<Stream> streams_;
  /** Recorded behind the last layer of each stream beside the main one. */
  std::vector<Event> ends_;
  std::map<int, Event> produced_;
  size_t events_used_ = 0;
  uintptr_t next_activation_ = 0;

  void check(int result, const std::string& what) {
    if (result) refuse(context_, ErrorCode::failed_execution, what + ": " + cuda_error(result));
  }

  const TensorInfo& info(int tensor) const { return engine_.plan.graph.tensors[static_cast<size_t>(tensor)]; }

  void begin_run() {
    run_ = std::make_shared<RunOfTasks>();
    run_->group = context_.tasks;
    run_->memory = context_.activation_memory();
    run_->bytes = inference_->activation_bytes();
    if (capturing_) run_->shapes = context_.tasks->shapes;
    if (context_.profile_changes && context_.profile_changes->pending > 0 && context_.profile_stream != stream_)
      note_violation("a run was enqueued to another stream than the one in which the profile is being changed");
  }

  /** The caller's auxiliary streams as far as there are any, then the context's own. */
  void choose_streams() {
    streams_ = {stream_};
    for (size_t i = 0; i < context_.own_aux_streams.size(); i++) {
      streams_.push_back(i < context_.aux_streams.size() ? context_.aux_streams[i] : context_.own_aux_streams[i]);
      if (streams_.back() == stream_) note_violation("a stream serves a run as the main and as an auxiliary one");
    }
  }

  void submit(const std::shared_ptr<Task>& task, Stream stream, const std::string& what) {
    tasks_++;
    const int result = launch(task, stream, capturing_ != 0);
    if (result) tasks_--;
    check(result, what);
  }

  /** What has to be called before. */
  void check_order() {
    const Graph& graph = engine_.plan.graph;
    if (engine_.weights_missing) refuse(context_, ErrorCode::invalid_state, "the engine has no weights: refit it");
    const std::vector<std::string> missing = context_.unspecified_inputs();
    if (!missing.empty()) refuse(context_, ErrorCode::invalid_state, "input " + missing[0] + " is not specified: set its shape and address");
    for (const int input : graph.inputs)
      if (!context_.addresses.count(input)) refuse(context_, ErrorCode::invalid_state, "the address of input " + info(input).name + " is not set");
    for (const int output : graph.outputs)
      if (!context_.addresses.count(output) && !context_.allocators.count(output))
        refuse(context_, ErrorCode::invalid_state, "output " + info(output).name + " has neither an address nor an allocator");
    try {
      context_.infer();
    } catch (const std::runtime_error& error) {
      refuse(context_, ErrorCode::invalid_argument, error.what());
    }
    if (capturing_) check_capture();
  }

  void check_capture() {
    if (setting(&Control::refuse_capture)) refuse(context_, ErrorCode::unsupported_state, "a test refuses capture");
    if (context_.inference->is_data_dependent())
      refuse(context_, ErrorCode::unsupported_state, "a network with shapes that depend on values cannot be captured");
    if (!context_.allocators.empty()) refuse(context_, ErrorCode::unsupported_state, "a run that asks for the memory of outputs cannot be captured");
    if (context_.profiler && context_.emits_profile) refuse(context_, ErrorCode::unsupported_state, "a run that tells a profiler cannot be captured");
    if (engine_.streams_weights()) refuse(context_, ErrorCode::unsupported_state, "a run that streams weights cannot be captured");
    if (!context_.warm) refuse(context_, ErrorCode::invalid_state, "the first run with a shape or profile cannot be captured");
  }

  void check_memory() {
    // Room to stream weights through comes from the library where the size was not told.
    const size_t scratch = context_.user_bytes < 0 ? 0 : static_cast<size_t>(engine_.scratch_bytes());
    const size_t needed = inference_->activation_bytes() + scratch;
    if (!needed || context_.allocation != Allocation::user) return;
    if (!context_.user_memory) refuse(context_, ErrorCode::invalid_state, "device memory is not set");
    if (context_.user_bytes >= 0 && static_cast<size_t>(context_.user_bytes) < needed)
      refuse(context_, ErrorCode::invalid_argument,
             std::to_string(needed) + " bytes of device memory are needed, set are " + std::to_string(context_.user_bytes));
    check_device("the device memory", context_.user_memory, std::max<size_t>(needed, static_cast<size_t>(std::max<int64_t>(context_.user_bytes, 0))));
  }

  /** What a kernel would fault at, after the call. */
  void check_device(const std::string& what, uintptr_t address, size_t bytes) {
    if (!bytes) return;
    if (kind_of(address) != MemoryKind::device) refuse(context_, ErrorCode::invalid_argument, what + " is no memory of the device");
    if (const size_t held = bytes_from(address); held < bytes)
      refuse(context_, ErrorCode::invalid_argument, what + " needs " + std::to_string(bytes) + " bytes, its allocation has " + std::to_string(held));
  }

  /** Do the addresses hold what the shapes say? */
  void check_tensors() {
    const Graph& graph = engine_.plan.graph;
    for (const auto& [tensor, pointer] : context_.addresses) {
      const auto address = reinterpret_cast<uintptr_t>(pointer);
      const size_t bytes = bytes_of(info(tensor).type, inference_->state(tensor).shape);
      if (!graph.shape_inputs.count(tensor) && !context_.allocators.count(tensor)) check_device(info(tensor).name, address, bytes);
    }
  }

  Event next_event() {
    if (events_used_ == context_.events.size()) {
      Event event = nullptr;
      check(cuda()->event_create(&event, 2), "an event");
      context_.events.push_back(event);
    }
    return context_.events[events_used_++];
  }

  /** Asks the caller for memory where it wants that, as results of a layer come up. */
  void* output_address(int tensor, const Shape& shape) {
    const auto allocator = context_.allocators.find(tensor);
    if (allocator == context_.allocators.end()) return addresses_.at(tensor);
    const auto known = context_.addresses.find(tensor);
    void* current = known == context_.addresses.end() ? nullptr : known->second;
    const uint64_t bytes = std::max<uint64_t>(bytes_of(info(tensor).type, shape), 1);
    void* address = call_back<void*>(Method::OutputAllocator_reallocateOutputAsync, allocator->second, info(tensor).name.c_str(), current,
                                     bytes, uint64_t{256}, stream_);
    if (!address) refuse(context_, ErrorCode::failed_allocation, "out of memory: the allocator gave none for output " + info(tensor).name);
    const Dims dims = to_dims(shape);
    call_back<void, const char*, const Dims&>(Method::OutputAllocator_notifyShape, allocator->second, info(tensor).name.c_str(), dims);
    addresses_[tensor] = address;
    return address;
  }

  View input_view(int tensor) {
    if (tensor < 0) return {};
    const TensorState& state = inference_->state(tensor);
    const auto weights = engine_.weight_addresses.find(tensor);
    void* data = weights != engine_.weight_addresses.end() ? reinterpret_cast<void*>(weights->second)
                 : state.value                             ? const_cast<char*>(state.value->data())
                                                           : addresses_.at(tensor);
    return {info(tensor).type, state.shape, data};
  }

  View output_view(int tensor) {
    const Shape& shape = inference_->state(tensor).shape;
    if (engine_.plan.graph.is_output(tensor)) return {info(tensor).type, shape, output_address(tensor, shape)};
    void* address = reinterpret_cast<void*>(next_activation_);
    next_activation_ += aligned(bytes_of(info(tensor).type, shape));
    addresses_[tensor] = address;
    return {info(tensor).type, shape, address};
  }

  std::shared_ptr<Task> make_task(TaskKind kind, size_t layer, const Views& inputs) {
    auto task = std::make_shared<Task>();
    task->kind = kind;
    task->group = context_.tasks;
    task->run = run_;
    task->inference = inference_;
    task->layer = layer;
    task->inputs = inputs;
    return task;
  }

  void queue_layer(size_t index) {
    const Layer& layer = inference_->graph().layers[index];
    if (!inference_->runs(layer)) return;
    const size_t lane = std::min(static_cast<size_t>(engine_.layer_streams[index]), streams_.size() - 1);
    Views inputs;
    for (const int input : layer.inputs) inputs.push_back(input_view(input));
    wait_for_inputs(layer, lane);
    if (find_operator(layer.op)->data_dependent) {
      // The host has to know the count before it can go on.
      const std::shared_ptr<Task> counting = make_task(TaskKind::count, index, inputs);
      counting->count = context_.count;
      submit(counting, stream_, layer.name);
      check(cuda()->stream_synchronize(stream_), "the stream");
      // Queued tasks use what is known so far.
      inference_ = std::make_shared<Inference>(*inference_);
      inference_->resolve(index, *context_.count);
    }
    const std::shared_ptr<Task> task = make_task(TaskKind::layer, index, inputs);
    for (const int output : layer.outputs) task->outputs.push_back(output_view(output));
    submit(task, streams_[lane], layer.name);
    if (streams_.size() == 1) return;
    const Event done = next_event();
    check(cuda()->event_record(done, streams_[lane]), "an event");
    for (const int output : layer.outputs) produced_[output] = done;
    ends_[lane] = done;
  }

  /** A stream beside the main one begins behind what stood in the main one, and follows what its layers read. */
  void wait_for_inputs(const Layer& layer, size_t lane) {
    if (lane && !ends_[lane]) {
      const Event start = next_event();
      check(cuda()->event_record(start, stream_), "an event");
      check(cuda()->stream_wait_event(streams_[lane], start, 0), "an event");
    }
    for (const int input : layer.inputs) {
      const auto produced = produced_.find(input);
      if (produced != produced_.end()) check(cuda()->stream_wait_event(streams_[lane], produced->second, 0), "an event");
    }
  }

  /** Outputs that follow from constants and shapes alone. */
  void copy_known_outputs() {
    for (const int output : engine_.plan.graph.outputs) {
      const TensorState& state = inference_->state(output);
      if (!state.value) continue;
      const View from{info(output).type, state.shape, const_cast<char*>(state.value->data())};
      const std::shared_ptr<Task> task = make_task(TaskKind::copy, 0, {from});
      task->outputs = {{from.type, from.shape, output_address(output, state.shape)}};
      submit(task, stream_, info(output).name);
    }
  }

  void join() {
    for (size_t lane = 1; lane < streams_.size(); lane++)
      if (ends_[lane]) check(cuda()->stream_wait_event(stream_, ends_[lane], 0), "an event");
  }
};

}  // namespace

bool enqueue(Context& context, Stream stream) {
  try {
    Run(context, stream).queue();
    return true;
  } catch (const Refused&) {
    return false;
  } catch (const std::runtime_error& error) {
    report(context, ErrorCode::failed_execution, where, error.what());
    return false;
  }
}

void report_profile(Context& context) {
  const std::vector<Layer>& layers = context.engine->plan.graph.layers;
  const std::shared_ptr<const Inference> inference = context.inference;
  for (size_t i = 0; i < layers.size(); i++) {
    if (inference && !inference->runs(layers[i])) continue;
    call_back<void, const char*, float>(Method::Profiler_reportLayerTime, context.profiler, layers[i].name.c_str(),
                                        context.tasks->milliseconds[i].load());
  }
}

}  // namespace fake_nvinfer
