// Driver calls about memory and copies.
#include <cstring>

#include "driver.h"

using namespace cuda_sim;

CUDA_SIM_API CUresult cuMemGetInfo_v2(size_t* free_bytes, size_t* total_bytes) {
  CUDA_SIM_CALL(cuMemGetInfo_v2, needs_context);
  if (!free_bytes || !total_bytes) return CUDA_ERROR_INVALID_VALUE;
  const size_t limit = driver().memory_limit, used = driver().memory.bytes(MemoryKind::device);
  *total_bytes = limit;
  *free_bytes = used < limit ? limit - used : 0;
  return call.result();
}

CUDA_SIM_API CUresult cuMemAlloc_v2(uintptr_t* address, size_t bytes) {
  CUDA_SIM_CALL(cuMemAlloc_v2, needs_context | unsafe_in_capture);
  if (!address || !bytes) return CUDA_ERROR_INVALID_VALUE;
  Driver& d = driver();
  const size_t used = d.memory.bytes(MemoryKind::device);
  if (used > d.memory_limit || bytes > d.memory_limit - used) return CUDA_ERROR_OUT_OF_MEMORY;
  const uintptr_t allocated = d.memory.allocate(MemoryKind::device, bytes);
  if (!allocated) return CUDA_ERROR_OUT_OF_MEMORY;
  *address = allocated;
  return call.result();
}

/** Waits for all queued work, as the real driver does. */
static CUresult free_memory(Call& call, uintptr_t address, MemoryKind kind) {
  Driver& d = driver();
  if (!d.memory.starting_at(address, kind)) return CUDA_ERROR_INVALID_VALUE;
  finish_all(call.lock());
  check_memory(*call.context(), "when memory was freed");
  // Another thread may have freed it meanwhile.
  if (!d.memory.starting_at(address, kind)) return CUDA_ERROR_INVALID_VALUE;
  d.memory.free(address);
  return call.result();
}

CUDA_SIM_API CUresult cuMemFree_v2(uintptr_t address) {
  CUDA_SIM_CALL(cuMemFree_v2, needs_context | unsafe_in_capture | destroys);
  if (!address) return call.result();
  return free_memory(call, address, MemoryKind::device);
}

CUDA_SIM_API CUresult cuMemHostAlloc(void** pointer, size_t bytes, unsigned flags) {
  CUDA_SIM_CALL(cuMemHostAlloc, needs_context | unsafe_in_capture);
  // PORTABLE 1, DEVICEMAP 2, WRITECOMBINED 4
  if (!pointer || !bytes || flags & ~7u) return CUDA_ERROR_INVALID_VALUE;
  const uintptr_t allocated = driver().memory.allocate(MemoryKind::pinned, bytes);
  if (!allocated) return CUDA_ERROR_OUT_OF_MEMORY;
  *pointer = reinterpret_cast<void*>(allocated);
  return call.result();
}

CUDA_SIM_API CUresult cuMemFreeHost(void* pointer) {
  CUDA_SIM_CALL(cuMemFreeHost, needs_context | unsafe_in_capture | destroys);
  return free_memory(call, reinterpret_cast<uintptr_t>(pointer), MemoryKind::pinned);
}

/** Addresses are the same on both sides. */
CUDA_SIM_API CUresult cuMemHostGetDevicePointer_v2(uintptr_t* address, void* pointer, unsigned flags) {
  CUDA_SIM_CALL(cuMemHostGetDevicePointer_v2, needs_context);
  const uintptr_t host = reinterpret_cast<uintptr_t>(pointer);
  const Allocation* allocation = driver().memory.holding(host, 1);
  if (!address || flags || !allocation || allocation->kind != MemoryKind::pinned) return CUDA_ERROR_INVALID_VALUE;
  *address = host;
  return call.result();
}

/** Of the attributes, which memory it is: CU_POINTER_ATTRIBUTE_MEMORY_TYPE. */
CUDA_SIM_API CUresult cuPointerGetAttribute(void* value, int attribute, uintptr_t address) {
  CUDA_SIM_CALL(cuPointerGetAttribute, needs_context);
  constexpr int memory_type = 2;
  constexpr unsigned host = 1, device = 2;
  if (attribute != memory_type) return CUDA_ERROR_NOT_SUPPORTED;
  // Also for memory of the host that CUDA does not know.
  const Allocation* allocation = driver().memory.holding(address, 1);
  if (!value || !allocation) return CUDA_ERROR_INVALID_VALUE;
  *static_cast<unsigned*>(value) = allocation->kind == MemoryKind::device ? device : host;
  return call.result();
}

/** The allocation that an address lies in. */
CUDA_SIM_API CUresult cuMemGetAddressRange_v2(uintptr_t* base, size_t* bytes, uintptr_t address) {
  CUDA_SIM_CALL(cuMemGetAddressRange_v2, needs_context);
  const Allocation* allocation = driver().memory.holding(address, 1);
  if (!allocation) return CUDA_ERROR_NOT_FOUND;
  if (base) *base = allocation->address;
  if (bytes) *bytes = allocation->bytes;
  return call.result();
}

namespace {

enum class Side { host, device };

/** Device ranges must lie in one allocation; host ranges in one, or in none (pageable). */
bool is_range(uintptr_t address, size_t bytes, Side side) {
  const Memory& memory = driver().memory;
  if (memory.holding(address, bytes)) return side == Side::host ? memory.holding(address, bytes)->kind == MemoryKind::pinned : true;
  return side == Side::host && address && !memory.touches(address, bytes);
}

bool is_pageable(uintptr_t address, size_t bytes) { return !driver().memory.touches(address, bytes); }

CUresult copy(Call& call, Stream* stream, uintptr_t target, Side target_side, uintptr_t source, Side source_side, size_t bytes,
              bool wait) {
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (!bytes) return call.result();
  if (!is_range(target, bytes, target_side) || !is_range(source, bytes, source_side)) return CUDA_ERROR_INVALID_VALUE;
  Node node;
  node.kind = NodeKind::copy;
  node.target = target;
  node.source = source;
  node.bytes = bytes;
  node.crosses = target_side != source_side;
  if (!stream->capture) {
    // The real driver stages pageable sources before it returns, and returns from copies to pageable memory when they end.
    if (source_side == Side::host && is_pageable(source, bytes)) {
      const auto* first = reinterpret_cast<const unsigned char*>(source);
      node.staged = std::make_shared<std::vector<unsigned char>>(first, first + bytes);
    }
    if (target_side == Side::host && is_pageable(target, bytes)) wait = true;
  }
  const CUresult status = submit(*stream, std::move(node));
  if (status != CUDA_SUCCESS) return status;
  if (wait && !stream->capture) finish(call, *stream);
  return call.result();
}

}  // namespace

CUDA_SIM_API CUresult cuMemcpyHtoDAsync_v2(uintptr_t target, const void* source, size_t bytes, void* stream) {
  CUDA_SIM_CALL(cuMemcpyHtoDAsync_v2, needs_context);
  return copy(call, find_stream(call, stream), target, Side::device, reinterpret_cast<uintptr_t>(source), Side::host, bytes, false);
}

CUDA_SIM_API CUresult cuMemcpyDtoHAsync_v2(void* target, uintptr_t source, size_t bytes, void* stream) {
  CUDA_SIM_CALL(cuMemcpyDtoHAsync_v2, needs_context);
  return copy(call, find_stream(call, stream), reinterpret_cast<uintptr_t>(target), Side::host, source, Side::device, bytes, false);
}

CUDA_SIM_API CUresult cuMemcpyDtoDAsync_v2(uintptr_t target, uintptr_t source, size_t bytes, void* stream) {
  CUDA_SIM_CALL(cuMemcpyDtoDAsync_v2, needs_context);
  return copy(call, find_stream(call, stream), target, Side::device, source, Side::device, bytes, false);
}

CUDA_SIM_API CUresult cuMemcpyHtoD_v2(uintptr_t target, const void* source, size_t bytes) {
  CUDA_SIM_CALL(cuMemcpyHtoD_v2, needs_context | unsafe_in_capture);
  return copy(call, find_stream(call, nullptr), target, Side::device, reinterpret_cast<uintptr_t>(source), Side::host, bytes, true);
}

CUDA_SIM_API CUresult cuMemcpyDtoH_v2(void* target, uintptr_t source, size_t bytes) {
  CUDA_SIM_CALL(cuMemcpyDtoH_v2, needs_context | unsafe_in_capture);
  return copy(call, find_stream(call, nullptr), reinterpret_cast<uintptr_t>(target), Side::host, source, Side::device, bytes, true);
}

/** Queues the setting of device memory, or of pinned memory by its device address. */
static CUresult set(Call& call, void* stream_handle, NodeKind kind, uintptr_t target, uint32_t value, size_t bytes) {
  Stream* stream = find_stream(call, stream_handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (!bytes) return call.result();
  if (!is_range(target, bytes, Side::device)) return CUDA_ERROR_INVALID_VALUE;
  Node node;
  node.kind = kind;
  node.target = node.source = target;
  node.bytes = bytes;
  node.value = value;
  return call.result(submit(*stream, std::move(node)));
}

CUDA_SIM_API CUresult cuMemsetD8Async(uintptr_t target, unsigned char value, size_t bytes, void* stream) {
  CUDA_SIM_CALL(cuMemsetD8Async, needs_context);
  return set(call, stream, NodeKind::fill, target, value, bytes);
}

/** In a capture it becomes a node (of batched memory operations, as the real driver calls them) with the value in it. */
CUDA_SIM_API CUresult cuStreamWriteValue32_v2(void* stream, uintptr_t target, uint32_t value, unsigned flags) {
  CUDA_SIM_CALL(cuStreamWriteValue32_v2, needs_context);
  // NO_MEMORY_BARRIER 1
  if (flags > 1 || target % sizeof(value)) return CUDA_ERROR_INVALID_VALUE;
  return set(call, stream, NodeKind::write_value, target, value, sizeof(value));
}
