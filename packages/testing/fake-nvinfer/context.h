// Execution contexts.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine.h"
#include "tasks.h"

namespace fake_nvinfer {

struct Context : Body {
  static constexpr Class type = Class::ExecutionContext;
  Weak<Engine> engine;
  std::string name;
  Allocation allocation = Allocation::own;
  size_t profile = 0;
  std::map<int, Shape> shapes;
  std::map<int, void*> addresses;
  /** IOutputAllocator by output. */
  std::map<int, void*> allocators;

  DeviceMemory memory;
  uintptr_t user_memory = 0;
  /** -1: not told. */
  int64_t user_bytes = -1;
  /** Where the host learns counts; pinned. */
  int64_t* count = nullptr;

  std::vector<Stream> aux_streams, own_aux_streams;
  std::vector<Event> events;
  Event input_consumed = nullptr;
  void* profiler = nullptr;
  bool emits_profile = true;
  bool debug_sync = false;
  size_t persistent_cache_limit = 0;
  Verbosity nvtx = Verbosity::layer_names_only;

  /** Of the inputs as they are; null after they changed. */
  std::shared_ptr<const Inference> inference;
  /** Ran once with these inputs: may be captured. */
  bool warm = false;
  std::shared_ptr<TaskGroup> tasks;
  Stream last_stream = nullptr;
  bool ran = false;
  /** What changes of the profile copy, and where. */
  std::shared_ptr<TaskGroup> profile_changes;
  Stream profile_stream = nullptr;

  ~Context() override;

  /** Of an input; empty while a dynamic one has not been given. */
  const Shape* shape_of_input(int input) const;
  std::vector<std::string> unspecified_inputs() const;
  /** Shapes for the inputs as they are. Throws std::runtime_error where they do not fit; null while inputs are not specified. */
  std::shared_ptr<const Inference> infer();
  /** Inputs changed. */
  void invalidate();
  uintptr_t activation_memory() const { return allocation == Allocation::user ? user_memory : memory.address(); }
};

/** Queues all work. False where it cannot be: that has been reported then. */
bool enqueue(Context& context, Stream stream);

void* create_context(Engine& engine, Allocation allocation);

/** Gives the profiler the times of the last run. */
void report_profile(Context& context);

}  // namespace fake_nvinfer
