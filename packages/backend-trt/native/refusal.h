// TensorRT's "no", with what it said.
#pragma once
#include "callbacks/error_recorder.h"
#include "log.h"

namespace lowlat_trt {

/**
 * OUT_OF_MEMORY where TensorRT says so, else this code; the message ends with TensorRT's first error. With {errors, log}: what was
 * recorded since the recorder was reset, and logged since the mark.
 */
inline Failure refusal(const char* code, const std::string& message, const Abi& abi, const ErrorRecorder& recorder, const LogSink& sink,
                       uint64_t since = 0) {
  const std::vector<std::string> errors = recorder.errors(abi);
  const std::vector<LogMessage> log = sink.recent(since);
  Failure failure{recorder.tells_of_memory(abi) || tells_of_memory(log) ? "OUT_OF_MEMORY" : code, message, {}};
  if (!errors.empty()) failure.message += ": " + errors.front();
  failure.with("errors", errors).with("log", log);
  return failure;
}

/** The refusal of one call, with {call}. */
inline Failure refused(const char* call, const Abi& abi, const ErrorRecorder& recorder, const LogSink& sink, uint64_t since = 0) {
  Failure failure = refusal("REFUSED", std::string("TensorRT refuses ") + call, abi, recorder, sink, since);
  failure.with("call", std::string(call));
  return failure;
}

}  // namespace lowlat_trt
