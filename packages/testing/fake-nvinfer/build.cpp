// Building an engine: what the library checks first, then phases with steps, logs from other threads, and the plan.
#include <atomic>
#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>

#include "builder.h"
#include "callbacks.h"
#include "control.h"
#include "cuda.h"
#include "engine.h"
#include "inference.h"

namespace fake_nvinfer {
namespace {

const char* where = "Builder.buildSerializedNetwork";

/** Ends a build whose reason has been reported, or that was cancelled. */
struct Refused {};

[[noreturn]] void refuse(Builder& builder, ErrorCode code, const std::string& message) {
  report(builder, code, where, message);
  throw Refused();
}

/** Phases that nest. The caller cancels by what it returns from a step. */
class Phase {
 public:
  Phase(void* monitor, std::string name, const char* parent, int32_t steps) : monitor_(monitor), name_(std::move(name)) {
    if (monitor_) call_back<void>(Method::ProgressMonitor_phaseStart, monitor_, name_.c_str(), parent, steps);
  }
  ~Phase() {
    if (monitor_) call_back<void>(Method::ProgressMonitor_phaseFinish, monitor_, name_.c_str());
  }
  Phase(const Phase&) = delete;
  void step(int32_t step) {
    if (monitor_ && !call_back<bool>(Method::ProgressMonitor_stepComplete, monitor_, name_.c_str(), step)) throw Refused();
  }
  const char* name() const { return name_.c_str(); }

 private:
  void* monitor_;
  std::string name_;
};

/** Threads that log while the build goes on. */
class Noise {
 public:
  Noise(void* logger, int threads) {
    for (int i = 0; i < threads; i++)
      threads_.emplace_back([this, logger, i] {
        for (int n = 0; !done_; n++) {
          log_to(logger, n % 8 ? Severity::verbose : Severity::info,
                 "thread " + std::to_string(i) + ", tactic " + std::to_string(n) + " timed");
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
      });
  }
  ~Noise() {
    done_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  std::atomic<bool> done_{false};
  std::vector<std::thread> threads_;
};

void check_flags(Builder& builder, const Network& network, const BuilderConfig& config) {
  if (config.has("REFIT_INDIVIDUAL") && (config.has("REFIT") || config.has("REFIT_IDENTICAL")))
    refuse(builder, ErrorCode::invalid_config, "the flag kREFIT_INDIVIDUAL cannot be set with kREFIT or kREFIT_IDENTICAL");
  if (!network.strongly_typed) {
    if (config.has("WEIGHT_STREAMING")) refuse(builder, ErrorCode::invalid_config, "the flag kWEIGHT_STREAMING needs a strongly typed network");
    return;
  }
  for (const char* flag : {"FP16", "INT8", "BF16", "FP8", "INT4", "FP4", "OBEY_PRECISION_CONSTRAINTS", "PREFER_PRECISION_CONSTRAINTS"})
    if (config.has(flag)) refuse(builder, ErrorCode::invalid_config, std::string("the flag k") + flag + " is set, but the network is strongly typed");
}

void check_profiles(Builder& builder, const Graph& graph, const std::vector<ProfileRanges>& profiles) {
  for (const int input : graph.inputs) {
    const TensorInfo& info = graph.tensors[static_cast<size_t>(input)];
    const bool is_shape = graph.shape_inputs.count(input);
    if (!is_dynamic(info.shape) && !is_shape) continue;
    if (profiles.empty())
      refuse(builder, ErrorCode::invalid_config, "input " + info.name + " has dynamic shape, but there is no optimization profile");
    for (size_t i = 0; i < profiles.size(); i++) {
      const std::string of = "input " + info.name + " in profile " + std::to_string(i);
      if (is_shape && !profiles[i].values.count(info.name)) refuse(builder, ErrorCode::invalid_config, of + " has no shape values");
      if (is_dynamic(info.shape) && !profiles[i].shapes.count(info.name)) refuse(builder, ErrorCode::invalid_config, of + " has no dimensions");
    }
  }
  for (size_t i = 0; i < profiles.size(); i++)
    for (const auto& [name, shapes] : profiles[i].shapes) {
      const int input = graph.find(name);
      if (input < 0 || !graph.is_input(input)) continue;
      const Shape& declared = graph.tensors[static_cast<size_t>(input)].shape;
      for (const Shape& shape : shapes) {
        bool fits = shape.size() == declared.size();
        for (size_t d = 0; fits && d < shape.size(); d++) fits = declared[d] < 0 || declared[d] == shape[d];
        if (!fits)
          refuse(builder, ErrorCode::invalid_config,
                 "profile " + std::to_string(i) + " gives " + name + " the shape " + text_of(shape) + ", declared is " + text_of(declared));
      }
    }
}

/** What weak typing lets layers compute with, where a flag allows it. */
void choose_precision(const Network& network, const BuilderConfig& config, Graph& graph) {
  if (network.strongly_typed) return;
  const DataType type = config.has("FP16") ? DataType::float16 : config.has("BF16") ? DataType::bfloat16 : DataType::none;
  for (Layer& layer : graph.layers) {
    const std::string kind = find_operator(layer.op)->kind;
    if (kind == "CONVOLUTION" || kind == "MATRIX_MULTIPLY") layer.rounded_to = type;
  }
}

uint64_t timing_key(const Layer& layer, size_t profile, const Inference& at_opt) {
  uint64_t key = hash(layer.op.data(), layer.op.size(), profile + 1);
  for (const int input : layer.inputs) {
    if (input < 0) continue;
    const Shape& shape = at_opt.state(input).shape;
    key = hash(shape.data(), shape.size() * sizeof(int64_t), key);
  }
  return key;
}

void wait_for_step() {
  const double step_ms = setting(&Control::step_ms);
  std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(step_ms));
  std::unique_lock<std::mutex> lock(control().mutex);
  control().changed.wait(lock, [] { return !control().held; });
}

/** Chooses kernels for a profile: takes its time, unless all that is to be timed is in the cache. */
void choose_tactics(Builder& builder, BuilderConfig& config, const char* parent, size_t profile, const Inference& at_opt) {
  const int32_t steps = setting(&Control::steps);
  std::vector<uint64_t> missing;
  const Timings* known = config.cache && !config.has("DISABLE_TIMING_CACHE") ? &config.cache->timings : nullptr;
  for (const Layer& layer : at_opt.graph().layers) {
    const uint64_t key = timing_key(layer, profile, at_opt);
    if (!known || !known->times.count(key)) missing.push_back(key);
  }
  if (!missing.empty() && config.has("ERROR_ON_TIMING_CACHE_MISS"))
    refuse(builder, ErrorCode::invalid_state, std::to_string(missing.size()) + " layers are not in the timing cache");
  Phase phase(config.progress, "Tactics of profile " + std::to_string(profile), parent, steps);
  for (int32_t step = 0; step < steps; step++) {
    if (!missing.empty()) wait_for_step();
    phase.step(step);
  }
  if (known)
    for (const uint64_t key : missing) config.cache->timings.times[key] = 0.01f;
}

/** Only version-compatible plans hold plugin libraries. */
void read_plugins(Builder& builder, const BuilderConfig& config, Plan& plan) {
  if (!plan.version_compatible) return;
  for (const std::string& path : config.plugins) {
    std::ifstream file(path, std::ios::binary);
    if (!file) refuse(builder, ErrorCode::invalid_argument, "the plugin library " + path + " cannot be read");
    plan.plugins.emplace_back(path, std::string(std::istreambuf_iterator<char>(file), {}));
  }
}

std::string build_plan(Builder& builder, Network& network, BuilderConfig& config) {
  std::string reason;
  if (!cuda(&reason)) refuse(builder, ErrorCode::failed_initialization, "CUDA cannot be used: " + reason);
  if (!has_context()) refuse(builder, ErrorCode::failed_initialization, "the calling thread has no CUDA context");
  if (network.builder != &builder || config.builder != &builder)
    refuse(builder, ErrorCode::invalid_argument, "the network or the configuration is another builder's");
  if (network.graph.outputs.empty()) refuse(builder, ErrorCode::invalid_argument, "the network has no output");
  if (!network.parser) {
    note_violation("a network was built after the parser that owns its weights had been destroyed");
    refuse(builder, ErrorCode::internal, "the network's weights are gone");
  }
  if (config.cache.was_set() && !config.cache) {
    note_violation("a network was built after the configuration's timing cache had been destroyed");
    config.cache = nullptr;
  }
  check_flags(builder, network, config);
  check_profiles(builder, network.graph, config.profiles);

  Plan plan;
  plan.version = library_version();
  plan.gpu = gpu_name();
  plan.hardware = config.hardware;
  plan.version_compatible = config.has("VERSION_COMPATIBLE");
  plan.graph = network.graph;
  plan.profiles = config.profiles;
  if (plan.profiles.empty()) plan.profiles.emplace_back();
  const bool strips = config.has("STRIP_PLAN");
  plan.refittable = strips || config.has("REFIT") || config.has("REFIT_IDENTICAL") || config.has("REFIT_INDIVIDUAL");
  plan.individual = config.has("REFIT_INDIVIDUAL");
  plan.refittable = plan.refittable && (!plan.individual || !network.marked_refittable.empty());
  plan.marked_refittable = network.marked_refittable;
  const bool identical = config.has("REFIT_IDENTICAL") || (strips && !config.has("REFIT") && !plan.individual);
  for (const auto& [tensor, constant] : plan.graph.constants)
    if (identical && is_refittable(plan, tensor))
      plan.identical[plan.graph.tensors[static_cast<size_t>(tensor)].name] = hash(constant.bytes.data(), constant.bytes.size());
  plan.weight_streaming = config.has("WEIGHT_STREAMING");
  plan.verbosity = config.verbosity;
  plan.tactic_sources = config.tactic_sources;
  choose_precision(network, config, plan.graph);
  plan.aux_streams = std::min(std::max(config.max_aux_streams, 0), parallel_branches(plan.graph) - 1);
  read_plugins(builder, config, plan);

  const auto graph = std::make_shared<Graph>(plan.graph);
  const Noise noise(builder.logger, setting(&Control::noise_threads));
  Phase phase(config.progress, "Building the engine", nullptr, static_cast<int32_t>(plan.profiles.size()) + 1);
  phase.step(0);
  DeviceMemory scratch;
  for (size_t i = 0; i < plan.profiles.size(); i++) {
    for (const Selector selector : {Selector::min, Selector::max, Selector::opt}) {
      const Inference inference(graph, inputs_of(plan, i, selector));
      if (selector == Selector::max)
        if (const int result = scratch.allocate(inference.activation_bytes()))
          refuse(builder, ErrorCode::failed_allocation,
                 "out of memory: " + std::to_string(inference.activation_bytes()) + " bytes of device memory: " + cuda_error(result));
      if (selector == Selector::opt) choose_tactics(builder, config, phase.name(), i, inference);
    }
    phase.step(static_cast<int32_t>(i) + 1);
  }
  log(builder, Severity::info, "engine built with " + std::to_string(plan.graph.layers.size()) + " layers");
  return write_plan(plan, !strips);
}

}  // namespace

std::string build(Builder& builder, Network& network, BuilderConfig& config) {
  try {
    return build_plan(builder, network, config);
  } catch (const Refused&) {
  } catch (const std::runtime_error& error) {
    report(builder, ErrorCode::invalid_config, where, error.what());
  }
  return "";
}

}  // namespace fake_nvinfer
