// Driver calls about functions of the host in streams, and about captures under way.
#include <vector>

#include "driver.h"

using namespace cuda_sim;

/** The function runs in the device's thread, in the stream's order, and holds up everything else on the device. */
CUDA_SIM_API CUresult cuLaunchHostFunc(void* handle, void (*function)(void*), void* user_data) {
  CUDA_SIM_CALL(cuLaunchHostFunc, needs_context);
  Stream* stream = find_stream(call, handle);
  if (!function) return CUDA_ERROR_INVALID_VALUE;
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  Node node;
  node.kind = NodeKind::host;
  node.call = function;
  node.user_data = user_data;
  return call.result(submit(*stream, std::move(node)));
}

CUDA_SIM_API CUresult cuThreadExchangeStreamCaptureMode(int* mode) {
  CUDA_SIM_CALL(cuThreadExchangeStreamCaptureMode, needs_nothing);
  if (!mode || *mode < capture_global || *mode > capture_relaxed) return CUDA_ERROR_INVALID_VALUE;
  *mode = exchange_capture_mode(*mode);
  return call.result();
}

/** The nodes that the next one will depend on are valid until this thread's next call of it. */
CUDA_SIM_API CUresult cuStreamGetCaptureInfo_v2(void* handle, int* status, uint64_t* id, Graph** graph, const void*** dependencies,
                                                size_t* count) {
  CUDA_SIM_CALL(cuStreamGetCaptureInfo_v2, needs_context);
  if (!status) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = find_stream(call, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (check_implicit(*stream) != CUDA_SUCCESS) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  // NONE 0, ACTIVE 1, INVALIDATED 2: only an active one is described.
  *status = stream->capture ? (stream->capture->invalid ? 2 : 1) : 0;
  if (*status != 1) return call.result();
  static thread_local std::vector<const void*> nodes;
  nodes.clear();
  for (const uint32_t tail : stream->tails) nodes.push_back(stream->capture->graph->nodes[tail].get());
  if (id) *id = stream->capture->id;
  if (graph) *graph = stream->capture->graph.get();
  if (dependencies) *dependencies = nodes.data();
  if (count) *count = nodes.size();
  return call.result();
}
