// What runs engines: the runtime, engines, refitters and inspectors.
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cuda.h"
#include "inference.h"
#include "object.h"
#include "plan.h"

namespace fake_nvinfer {

/** Streams that the layers could use at once, the main one included. */
int parallel_branches(const Graph& graph);
/** The stream of every layer, 0 being the main one, for so many streams beside it. */
std::vector<int> streams_of(const Graph& graph, int aux_streams);

/** An end or the middle of a profile, as the network's inputs. */
Inputs inputs_of(const Plan& plan, size_t profile, Selector selector);

struct TaskGroup;

struct Runtime : Body {
  static constexpr Class type = Class::Runtime;
  bool host_code_allowed = false;
  int32_t max_threads = 1, dla_core = 0;
  std::string temporary_directory;
  int engines = 0;
  ~Runtime() override;
};

struct Engine : Body {
  static constexpr Class type = Class::CudaEngine;
  Weak<Runtime> runtime;
  Plan plan;
  /** Replaced as a whole by a refit. */
  std::shared_ptr<const Graph> graph;
  std::mutex mutex;
  /** Weights, one behind the other. */
  DeviceMemory weights;
  std::map<int, uintptr_t> weight_addresses;
  bool weights_missing = false;
  /** Device memory for weights; as much as there are: none is streamed. */
  int64_t streaming_budget = 0;
  std::vector<int> layer_streams;
  int contexts = 0;
  /** Of its contexts. */
  std::vector<std::weak_ptr<TaskGroup>> groups;
  /** Is work of a context queued or running? */
  bool is_busy() const;
  ~Engine() override;

  std::shared_ptr<const Graph> current_graph();
  /** A CUresult: allocates and fills the device memory of the weights, or overwrites it. */
  int upload();
  int64_t weight_bytes() const;
  int64_t activation_bytes(size_t profile);
  int64_t activation_bytes();
  bool streams_weights() const { return plan.weight_streaming && streaming_budget < weight_bytes(); }
  /** Of each context, behind its activations: what weights are streamed through. */
  int64_t scratch_bytes() const;
  /** What a context works in, for all profiles. */
  int64_t context_bytes() { return activation_bytes() + scratch_bytes(); }
  size_t profiles() const { return plan.profiles.size(); }
};

/** Reads a plan; null where it cannot be used: that has been reported then. */
void* deserialize(Runtime& runtime, const std::string& bytes, const char* where);

void* create_refitter(void* engine, void* logger);

struct Refitter : Body {
  static constexpr Class type = Class::Refitter;
  Weak<Engine> engine;
  int32_t max_threads = 1;
  bool validates = true;
  /** Weights by name, until they are put into the engine. */
  std::map<std::string, std::string> weights;
  /** Keeps what getMissingWeights gave valid. */
  std::vector<std::string> names;
  bool set(const std::string& name, DataType type, const void* values, int64_t count);
  std::vector<std::string> all() const;
  std::vector<std::string> missing() const;
};

}  // namespace fake_nvinfer
