// An execution context of an engine.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "callbacks/output_allocator.h"
#include "callbacks/profiler.h"
#include "engine.h"

namespace lowlat_trt {

class Context : public Perishable {
 public:
  /** In the engine's thread. @throws Failure REFUSED, OUT_OF_MEMORY. */
  Context(std::shared_ptr<Engine> engine, const std::string& strategy);
  ~Context() override;

  /** @throws Failure REFUSED where TensorRT does not accept. */
  void accept(bool accepted, const char* call) const;
  /** For calls that return nothing: throws if TensorRT recorded an error since `prepare`. @throws Failure REFUSED. */
  void accept_unless_recorded(const char* call) const { accept(recorder_->errors(abi()).empty(), call); }
  /** Before a call: what went wrong earlier is forgotten, and the CUDA context is current. */
  void prepare();

  template <class Result, class... Parameters, class... Arguments>
  Result call(const Call<Result, Parameters...>& call, Arguments&&... arguments) const {
    return engine->abi().call(call, context_.get(), static_cast<Arguments&&>(arguments)...);
  }
  const Abi& abi() const { return engine->abi(); }
  const void* get() const { return context_.get(); }

  /** @throws Failure REFUSED, also in a capture where outputs have allocators: a graph would keep addresses that later runs free. */
  void enqueue(void* stream) const;
  void allocate_output(const std::string& name);
  /** Null where the output has no allocator. */
  const OutputAllocator* allocator(const std::string& name) const;
  void profile(bool on);
  /** Empty unless it is being profiled. */
  std::vector<LayerTime> report_profile();

  /** Frees it and what it allocated. No thread but the calling one uses it. */
  void destroy();
  int turn() const override { return 0; }
  void perish() override { destroy(); }

  const std::shared_ptr<Engine> engine;
  /** JavaScript's thread: tasks of it that are under way. */
  int32_t busy = 0;

 private:
  const std::shared_ptr<ErrorRecorder> recorder_;
  uint64_t mark_ = 0;
  // Outlive the context, which calls them.
  std::map<std::string, std::unique_ptr<OutputAllocator>> allocators_;
  std::unique_ptr<Profiler> profiler_;
  Owned context_;
};

}  // namespace lowlat_trt
