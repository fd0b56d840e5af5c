// An engine with its runtime and its thread.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "host_memory.h"
#include "instance.h"
#include "library.h"
#include "parsing.h"
#include "values.h"

namespace lowlat_trt {

struct DeserializeOptions {
  Source plan;
  void* cuda_context = nullptr;
  bool host_code_allowed = false;
};

/** What JavaScript reads without asking TensorRT again. */
struct EngineFacts {
  std::string name, hardware_compatibility, profiling_verbosity;
  int32_t layers = 0, profiles = 0, aux_streams = 0;
  bool refittable = false;
  std::vector<TensorDescription> tensors;
};

/** Shared by whoever needs it to live: the JavaScript object, its contexts, tasks in its thread. */
class Engine : public Perishable {
 public:
  Engine(std::shared_ptr<Instance> instance, std::shared_ptr<Library> library, std::shared_ptr<EventChannel> events, Severity threshold,
         void* cuda_context);

  /** In the engine's thread, once. @throws Failure REFUSED, OUT_OF_MEMORY, FILE_UNREADABLE. */
  EngineFacts deserialize(const DeserializeOptions& options);

  const Abi& abi() const { return library->abi(); }
  void* get() const { return engine_.get(); }
  /** Makes the CUDA context current in the calling thread. @throws Failure CUDA_FAILED. */
  void use_cuda() const;
  /** Before a call: what was recorded earlier is forgotten. @returns the mark in the log for `refused_since`. */
  uint64_t prepare() const;
  /** A call's refusal, with what was recorded and logged since. */
  Failure refused_since(const char* call, uint64_t mark) const;

  std::string inspect(const char* format, const void* context, int32_t layer) const;
  HostMemory serialize(const std::vector<std::string>& flags) const;
  /** Names of weights that the model lacks; with none the engine has the new ones. */
  std::vector<std::string> refit(const Source& model) const;

  /** Frees the engine and its runtime. No context is left, and no thread but the calling one uses it. */
  void destroy();
  int turn() const override { return 1; }
  void perish() override { destroy(); }

  const std::shared_ptr<Instance> instance;
  const std::shared_ptr<Library> library;
  const std::shared_ptr<LogSink> sink;
  const std::shared_ptr<EventChannel> events;
  const std::shared_ptr<Logger> logger;
  const std::shared_ptr<ErrorRecorder> recorder;
  /** Deserialises, creates contexts, and whatever else takes long, one after another. */
  const std::shared_ptr<Worker> worker;
  /** JavaScript's thread: contexts that were not disposed; tasks of contexts under way; whether weights are being replaced. */
  int32_t open_contexts = 0, busy_contexts = 0;
  bool refitting = false;

 private:
  EngineFacts facts() const;
  void* deserialize_plan(const Source& plan) const;

  void* const cuda_context_;
  Owned runtime_, engine_;
};

}  // namespace lowlat_trt
