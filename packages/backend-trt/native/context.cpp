#include "context.h"

#include "refusal.h"

namespace lowlat_trt {

Context::Context(std::shared_ptr<Engine> engine, const std::string& strategy)
    : engine(std::move(engine)), recorder_(Immortals<ErrorRecorder>::take(abi())) {
  Engine& from = *this->engine;
  from.use_cuda();
  const uint64_t mark = from.prepare();
  const int32_t kind = abi().value("ExecutionContextAllocationStrategy", strategy);
  context_ = Owned(abi().call(calls::CudaEngine_createExecutionContext, from.get(), kind));
  if (!context_) throw from.refused_since("createExecutionContext", mark);
  call(calls::ExecutionContext_setErrorRecorder, recorder_.get());
  call(calls::ExecutionContext_setEnqueueEmitsProfile, false);
}

Context::~Context() { destroy(); }

void Context::accept(bool accepted, const char* call) const {
  if (!accepted) throw refused(call, abi(), *recorder_, *engine->sink, mark_);
}

void Context::prepare() {
  recorder_->reset();
  mark_ = engine->sink->mark();
  engine->use_cuda();
}

void Context::enqueue(void* stream) const {
  if (!allocators_.empty() && engine->library->cuda().is_capturing(stream))
    throw Failure{"REFUSED", "Runs with outputs of allocateOutput cannot be captured: their memory may move", {}}
        .with("call", std::string("enqueueV3"));
  accept(call(calls::ExecutionContext_enqueueV3, stream), "enqueueV3");
}

void Context::allocate_output(const std::string& name) {
  std::unique_ptr<OutputAllocator>& allocator = allocators_[name];
  if (allocator) return;
  auto made = std::make_unique<OutputAllocator>(abi(), engine->library->cuda());
  const bool accepted = call(calls::ExecutionContext_setOutputAllocator, name.c_str(), made.get());
  if (accepted) allocator = std::move(made);
  else allocators_.erase(name);
  accept(accepted, "setOutputAllocator");
}

const OutputAllocator* Context::allocator(const std::string& name) const {
  const auto found = allocators_.find(name);
  return found == allocators_.end() ? nullptr : found->second.get();
}

void Context::profile(bool on) {
  if (on == static_cast<bool>(profiler_)) return;
  if (on) profiler_ = std::make_unique<Profiler>(abi());
  call(calls::ExecutionContext_setProfiler, profiler_ && on ? profiler_.get() : nullptr);
  if (!on) profiler_.reset();
}

std::vector<LayerTime> Context::report_profile() {
  if (!profiler_) return {};
  profiler_->take();
  accept(call(calls::ExecutionContext_reportToProfiler), "reportToProfiler");
  return profiler_->take();
}

void Context::destroy() {
  if (!context_) return;
  try {
    engine->use_cuda();
  } catch (const Failure&) {
    // The CUDA context is gone; TensorRT then reports what it cannot free.
  }
  context_.reset();
  allocators_.clear();
  profiler_.reset();
}

}  // namespace lowlat_trt
