// Building a plan.
#pragma once
#include <atomic>
#include <memory>

#include "build_request.h"
#include "host_memory.h"
#include "library.h"
#include "parsing.h"

namespace lowlat_trt {

struct BuildResult {
  HostMemory plan, timing_cache;
  /** The bytes given were of another version or device, so that an empty cache was used. */
  bool timing_cache_refused = false;
  std::vector<TensorDescription> tensors;
};

/**
 * Parses and builds, in the calling thread, which it takes for as long as that takes.
 * @throws Failure PARSE_FAILED {errors}, BUILD_FAILED, CANCELLED, OUT_OF_MEMORY, FLAG_UNSUPPORTED, WEIGHTS_UNKNOWN, PROFILE_INVALID, CALL_UNAVAILABLE,
 *   FILE_UNREADABLE; with `log`.
 */
BuildResult build(Library& library, const BuildRequest& request, const std::shared_ptr<LogSink>& sink,
                  const std::shared_ptr<EventChannel>& events, const std::atomic<bool>& cancelled);

struct Subgraph {
  std::vector<int64_t> nodes;
  bool supported;
};
struct SupportReport {
  bool supported;
  std::vector<Subgraph> subgraphs;
  std::vector<ParserError> errors;
};
/** Which parts of a model the parser takes. @throws Failure. */
SupportReport supports(Library& library, const Source& model, const std::shared_ptr<LogSink>& sink);

}  // namespace lowlat_trt
