// Driver calls about streams and events.
#include <algorithm>

#include "driver.h"

using namespace cuda_sim;

static CUresult create_stream(Call& call, Stream** handle, unsigned flags) {
  // CU_STREAM_NON_BLOCKING 1
  if (!handle || flags > 1) return CUDA_ERROR_INVALID_VALUE;
  auto stream = std::make_unique<Stream>();
  stream->context = call.context();
  stream->blocking = !flags;
  *handle = driver().streams.add(std::move(stream));
  return call.result();
}

CUDA_SIM_API CUresult cuStreamCreate(Stream** handle, unsigned flags) {
  CUDA_SIM_CALL(cuStreamCreate, needs_context);
  return create_stream(call, handle, flags);
}

/** Priorities out of range are clamped, and none changes anything here. */
CUDA_SIM_API CUresult cuStreamCreateWithPriority(Stream** handle, unsigned flags, int) {
  CUDA_SIM_CALL(cuStreamCreateWithPriority, needs_context);
  return create_stream(call, handle, flags);
}

/** Waits for the stream's work; the real driver returns at once and lets the work end by itself. */
CUDA_SIM_API CUresult cuStreamDestroy_v2(void* handle) {
  CUDA_SIM_CALL(cuStreamDestroy_v2, needs_context | destroys);
  Stream* stream = driver().streams.find(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture) {
    stream->capture->invalid = true;
    if (stream->capture->origin == stream) driver().captures.erase(stream->capture);
  }
  finish(call, *stream);
  driver().streams.remove(handle);
  return call.result();
}

/** A stream that is captured cannot be waited for or asked; trying ends the capture. */
static CUresult refuse_captured(Stream& stream) {
  if (!stream.capture) return CUDA_SUCCESS;
  stream.capture->invalid = true;
  return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

CUDA_SIM_API CUresult cuStreamSynchronize(void* handle) {
  CUDA_SIM_CALL(cuStreamSynchronize, (handle ? needs_object_context : needs_context) | unsafe_in_capture);
  Stream* stream = find_stream(call, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (const CUresult status = refuse_captured(*stream); status != CUDA_SUCCESS) return status;
  call.use(*stream->context);
  finish(call, *stream);
  return call.result();
}

CUDA_SIM_API CUresult cuStreamQuery(void* handle) {
  CUDA_SIM_CALL(cuStreamQuery, (handle ? needs_object_context : needs_context) | unsafe_in_capture);
  Stream* stream = find_stream(call, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (const CUresult status = refuse_captured(*stream); status != CUDA_SUCCESS) return status;
  call.use(*stream->context);
  return call.result(stream->commands.empty() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY);
}

CUDA_SIM_API CUresult cuEventCreate(Event** handle, unsigned flags) {
  CUDA_SIM_CALL(cuEventCreate, needs_context);
  // BLOCKING_SYNC 1, DISABLE_TIMING 2; INTERPROCESS 4 is not simulated.
  if (!handle || flags & ~3u) return CUDA_ERROR_INVALID_VALUE;
  auto event = std::make_unique<Event>();
  event->context = call.context();
  event->timed = !(flags & 2);
  *handle = driver().events.add(std::move(event));
  return call.result();
}

CUDA_SIM_API CUresult cuEventDestroy_v2(void* handle) {
  CUDA_SIM_CALL(cuEventDestroy_v2, needs_context | destroys);
  if (!driver().events.remove(handle)) return CUDA_ERROR_INVALID_HANDLE;
  return call.result();
}

CUDA_SIM_API CUresult cuEventRecord(void* event_handle, void* stream_handle) {
  CUDA_SIM_CALL(cuEventRecord, needs_context);
  Event* event = driver().events.find(event_handle);
  Stream* stream = find_stream(call, stream_handle);
  if (!event || !stream) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture) {
    if (stream->capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    event->capture = stream->capture;
    event->tails = stream->tails;
    return call.result();
  }
  if (const CUresult status = check_implicit(*stream); status != CUDA_SUCCESS) return status;
  event->capture = nullptr;
  event->recording = std::make_shared<Recording>();
  Command command;
  command.record = event->recording;
  enqueue(*stream, std::move(command));
  return call.result();
}

/** Joins the stream into the capture that the event was recorded in. */
static CUresult wait_for_captured(Stream& stream, const Event& event) {
  if (event.capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (stream.legacy) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  if (stream.capture && stream.capture != event.capture) {
    stream.capture->invalid = event.capture->invalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_MERGE;
  }
  stream.capture = event.capture;
  for (const uint32_t node : event.tails)
    if (std::find(stream.tails.begin(), stream.tails.end(), node) == stream.tails.end()) stream.tails.push_back(node);
  return CUDA_SUCCESS;
}

CUDA_SIM_API CUresult cuStreamWaitEvent(void* stream_handle, void* event_handle, unsigned flags) {
  CUDA_SIM_CALL(cuStreamWaitEvent, needs_context);
  Stream* stream = find_stream(call, stream_handle);
  Event* event = driver().events.find(event_handle);
  if (!event || !stream) return CUDA_ERROR_INVALID_HANDLE;
  if (flags) return CUDA_ERROR_INVALID_VALUE;
  // A capture that has ended no longer counts as one.
  if (event->capture && driver().captures.count(event->capture)) return call.result(wait_for_captured(*stream, *event));
  if (stream->capture) {
    if (!event->recording && !event->capture) return call.result();
    stream->capture->invalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
  }
  if (event->capture) return CUDA_ERROR_INVALID_VALUE;
  if (!event->recording) return call.result();
  if (const CUresult status = check_implicit(*stream); status != CUDA_SUCCESS) return status;
  Command command;
  command.wait_for = event->recording;
  enqueue(*stream, std::move(command));
  return call.result();
}

/** Asking for an event that was last recorded into a capture is an error, and ends the capture. */
static CUresult refuse_captured(Event& event) {
  if (!event.capture) return CUDA_SUCCESS;
  event.capture->invalid = true;
  return CUDA_ERROR_CAPTURED_EVENT;
}

CUDA_SIM_API CUresult cuEventQuery(void* handle) {
  CUDA_SIM_CALL(cuEventQuery, needs_object_context | unsafe_in_capture);
  Event* event = driver().events.find(handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  if (const CUresult status = refuse_captured(*event); status != CUDA_SUCCESS) return status;
  call.use(*event->context);
  return call.result(!event->recording || event->recording->done ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY);
}

CUDA_SIM_API CUresult cuEventSynchronize(void* handle) {
  CUDA_SIM_CALL(cuEventSynchronize, needs_object_context | unsafe_in_capture);
  Event* event = driver().events.find(handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  if (const CUresult status = refuse_captured(*event); status != CUDA_SUCCESS) return status;
  call.use(*event->context);
  if (const auto recording = event->recording) {
    driver().queued.notify_one();
    driver().ended.wait(call.lock(), [&] { return recording->done; });
  }
  return call.result();
}

static CUresult elapsed(Call& call, float* milliseconds, void* start_handle, void* end_handle) {
  if (!milliseconds) return CUDA_ERROR_INVALID_VALUE;
  const Event* start = driver().events.find(start_handle);
  const Event* end = driver().events.find(end_handle);
  if (!start || !end || !start->timed || !end->timed || !start->recording || !end->recording) return CUDA_ERROR_INVALID_HANDLE;
  if (!start->recording->done || !end->recording->done) return CUDA_ERROR_NOT_READY;
  *milliseconds = static_cast<float>((end->recording->time_us - start->recording->time_us) / 1000);
  return call.result();
}

CUDA_SIM_API CUresult cuEventElapsedTime(float* milliseconds, void* start, void* end) {
  CUDA_SIM_CALL(cuEventElapsedTime, needs_context);
  return elapsed(call, milliseconds, start, end);
}

CUDA_SIM_API CUresult cuEventElapsedTime_v2(float* milliseconds, void* start, void* end) {
  CUDA_SIM_CALL(cuEventElapsedTime_v2, needs_context);
  return elapsed(call, milliseconds, start, end);
}
