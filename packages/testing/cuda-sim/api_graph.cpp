// Driver calls about capture and graphs.
#include <algorithm>

#include "driver.h"

using namespace cuda_sim;

namespace cuda_sim {

CUresult check_implicit(Stream& stream) {
  if (!stream.legacy) return CUDA_SUCCESS;
  CUresult status = CUDA_SUCCESS;
  for (const auto& [handle, other] : driver().streams) {
    if (!other->capture || !other->blocking) continue;
    other->capture->invalid = true;
    status = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  }
  return status;
}

CUresult submit(Stream& stream, Node node) {
  if (stream.capture) {
    if (stream.capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    auto& nodes = stream.capture->graph->nodes;
    node.dependencies = stream.tails;
    stream.tails = {static_cast<uint32_t>(nodes.size())};
    nodes.push_back(std::make_unique<Node>(std::move(node)));
    return CUDA_SUCCESS;
  }
  if (const CUresult status = check_implicit(stream); status != CUDA_SUCCESS) return status;
  Command command;
  auto nodes = std::make_shared<Nodes>();
  nodes->push_back(std::move(node));
  command.nodes = std::move(nodes);
  enqueue(stream, std::move(command));
  return CUDA_SUCCESS;
}

}  // namespace cuda_sim

CUDA_SIM_API CUresult cuStreamBeginCapture_v2(void* handle, int mode) {
  CUDA_SIM_CALL(cuStreamBeginCapture_v2, needs_context);
  if (mode < capture_global || mode > capture_relaxed) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = find_stream(call, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->legacy) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (stream->capture) return CUDA_ERROR_ILLEGAL_STATE;
  auto capture = std::make_shared<Capture>();
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  capture->origin = stream;
  capture->id = ++driver().captures_begun;
  capture->graph = std::make_unique<Graph>();
  capture->graph->context = call.context();
  stream->capture = capture;
  stream->tails.clear();
  driver().captures.insert(std::move(capture));
  return call.result();
}

/** Every node must come before the end of the stream that the capture began in. */
static bool all_joined(const Graph& graph, const std::vector<uint32_t>& tails) {
  std::vector<bool> before(graph.nodes.size());
  for (const uint32_t tail : tails) before[tail] = true;
  // Nodes only depend on earlier ones.
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    if (!before[i]) return false;
    for (const uint32_t dependency : graph.nodes[i]->dependencies) before[dependency] = true;
  }
  return true;
}

CUDA_SIM_API CUresult cuStreamEndCapture(void* handle, Graph** graph) {
  CUDA_SIM_CALL(cuStreamEndCapture, needs_context);
  if (!graph) return CUDA_ERROR_INVALID_VALUE;
  *graph = nullptr;
  Stream* stream = find_stream(call, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  const auto capture = stream->capture;
  if (!capture) return CUDA_ERROR_ILLEGAL_STATE;
  if (capture->origin != stream) {
    capture->invalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  }
  if (capture->mode != capture_relaxed && capture->thread != std::this_thread::get_id()) {
    capture->invalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  }
  const bool joined = all_joined(*capture->graph, stream->tails);
  for (const auto& [other_handle, other] : driver().streams) {
    if (other->capture != capture) continue;
    other->capture = nullptr;
    other->tails.clear();
  }
  driver().captures.erase(capture);
  if (capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!joined) return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  *graph = driver().graphs.add(std::move(capture->graph));
  return call.result();
}

CUDA_SIM_API CUresult cuStreamIsCapturing(void* handle, int* status) {
  CUDA_SIM_CALL(cuStreamIsCapturing, needs_context);
  if (!status) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = find_stream(call, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  // NONE 0, ACTIVE 1, INVALIDATED 2
  *status = stream->capture ? (stream->capture->invalid ? 2 : 1) : 0;
  return call.result();
}

CUDA_SIM_API CUresult cuGraphGetNodes(void* handle, void** nodes, size_t* count) {
  CUDA_SIM_CALL(cuGraphGetNodes, needs_init);
  if (!count) return CUDA_ERROR_INVALID_VALUE;
  const Graph* graph = driver().graphs.find(handle);
  if (!graph) return CUDA_ERROR_INVALID_HANDLE;
  const size_t present = graph->nodes.size();
  // Places beyond the last node are set to null.
  if (nodes)
    for (size_t i = 0; i < *count; i++) nodes[i] = i < present ? graph->nodes[i].get() : nullptr;
  *count = nodes ? std::min(*count, present) : present;
  return call.result();
}

CUDA_SIM_API CUresult cuGraphDestroy(void* handle) {
  CUDA_SIM_CALL(cuGraphDestroy, needs_init | destroys);
  if (!driver().graphs.remove(handle)) return CUDA_ERROR_INVALID_HANDLE;
  return call.result();
}

static std::shared_ptr<const Nodes> copy_nodes(const Graph& graph) {
  auto nodes = std::make_shared<Nodes>();
  for (const auto& node : graph.nodes) nodes->push_back(*node);
  return nodes;
}

CUDA_SIM_API CUresult cuGraphInstantiateWithFlags(GraphExec** handle, void* graph_handle, unsigned long long flags) {
  CUDA_SIM_CALL(cuGraphInstantiateWithFlags, needs_context | unsafe_in_capture);
  const Graph* graph = driver().graphs.find(graph_handle);
  if (!handle) return CUDA_ERROR_INVALID_VALUE;
  if (!graph) return CUDA_ERROR_INVALID_HANDLE;
  // AUTO_FREE_ON_LAUNCH 1, UPLOAD 2, DEVICE_LAUNCH 4 (not simulated), USE_NODE_PRIORITY 8
  if (flags & ~0xbull) return CUDA_ERROR_INVALID_VALUE;
  auto exec = std::make_unique<GraphExec>();
  exec->context = call.context();
  exec->nodes = copy_nodes(*graph);
  *handle = driver().execs.add(std::move(exec));
  return call.result();
}

CUDA_SIM_API CUresult cuGraphUpload(void* exec, void* stream_handle) {
  CUDA_SIM_CALL(cuGraphUpload, needs_context);
  Stream* stream = find_stream(call, stream_handle);
  if (!driver().execs.find(exec) || !stream) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  return call.result();
}

CUDA_SIM_API CUresult cuGraphLaunch(void* exec_handle, void* stream_handle) {
  CUDA_SIM_CALL(cuGraphLaunch, needs_context);
  GraphExec* exec = driver().execs.find(exec_handle);
  Stream* stream = find_stream(call, stream_handle);
  if (!exec || !stream) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture) {
    // The real driver adds a child graph.
    stream->capture->invalid = true;
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  if (const CUresult status = check_implicit(*stream); status != CUDA_SUCCESS) return status;
  for (const Node& node : *exec->nodes)
    if (node.function && !node.function->loaded) return CUDA_ERROR_INVALID_HANDLE;
  Command command;
  command.nodes = exec->nodes;
  command.is_graph = true;
  command.wait_for = exec->last;
  command.record = exec->last = std::make_shared<Recording>();
  enqueue(*stream, std::move(command));
  return call.result();
}

/** Launches that are under way go on with what they began with. */
CUDA_SIM_API CUresult cuGraphExecDestroy(void* handle) {
  CUDA_SIM_CALL(cuGraphExecDestroy, needs_init | destroys);
  if (!driver().execs.remove(handle)) return CUDA_ERROR_INVALID_HANDLE;
  return call.result();
}

struct GraphExecUpdateResultInfo {
  int result;
  const void *node, *other_node;
};

/** CUgraphExecUpdateResult: 0 success, 2 topology changed, 3 type of a node changed. */
static int compare(const Nodes& old, const Graph& graph, const void** node) {
  if (old.size() != graph.nodes.size()) return 2;
  for (size_t i = 0; i < old.size(); i++) {
    *node = graph.nodes[i].get();
    if (old[i].kind != graph.nodes[i]->kind) return 3;
    if (old[i].dependencies != graph.nodes[i]->dependencies) return 2;
  }
  *node = nullptr;
  return 0;
}

/** Nodes are paired in the order in which they were added: captures that issue the same work match. */
CUDA_SIM_API CUresult cuGraphExecUpdate_v2(void* exec_handle, void* graph_handle, GraphExecUpdateResultInfo* info) {
  CUDA_SIM_CALL(cuGraphExecUpdate_v2, needs_context);
  GraphExec* exec = driver().execs.find(exec_handle);
  const Graph* graph = driver().graphs.find(graph_handle);
  if (!info) return CUDA_ERROR_INVALID_VALUE;
  if (!exec || !graph) return CUDA_ERROR_INVALID_HANDLE;
  *info = {0, nullptr, nullptr};
  info->result = compare(*exec->nodes, *graph, &info->node);
  if (info->result) return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  exec->nodes = copy_nodes(*graph);
  return call.result();
}
