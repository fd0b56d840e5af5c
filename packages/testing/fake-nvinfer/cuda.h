// The CUDA driver that LOWLAT_CUDA_DRIVER_LIB names: the simulator, whose device memory is memory of this process.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace fake_nvinfer {

using Stream = void*;
using Event = void*;

/** Each gives a CUresult, 0 for success. */
struct Cuda {
  int (*ctx_get_current)(void** context);
  int (*device_get_name)(char* name, int length, int device);
  int (*mem_alloc)(uintptr_t* address, size_t bytes);
  int (*mem_free)(uintptr_t address);
  int (*mem_host_alloc)(void** pointer, size_t bytes, unsigned flags);
  int (*mem_free_host)(void* pointer);
  int (*memcpy_to_device)(uintptr_t target, const void* source, size_t bytes);
  int (*memcpy_to_host)(void* target, uintptr_t source, size_t bytes);
  int (*pointer_attribute)(void* value, int attribute, uintptr_t address);
  int (*mem_address_range)(uintptr_t* base, size_t* bytes, uintptr_t address);
  int (*launch_host_func)(Stream stream, void (*function)(void*), void* data);
  int (*stream_synchronize)(Stream stream);
  int (*stream_query)(Stream stream);
  int (*stream_is_capturing)(Stream stream, int* status);
  int (*stream_wait_event)(Stream stream, Event event, unsigned flags);
  int (*stream_create)(Stream* stream, unsigned flags);
  int (*stream_destroy)(Stream stream);
  int (*event_create)(Event* event, unsigned flags);
  int (*event_destroy)(Event event);
  int (*event_record)(Event event, Stream stream);
  int (*get_error_name)(int result, const char** name);
};

/** Null where there is no driver; `reason` says why then. */
const Cuda* cuda(std::string* reason = nullptr);
std::string cuda_error(int result);
/** Does the calling thread have a context? */
bool has_context();
/** CU_MEMORYTYPE: of memory that CUDA gave out. */
enum class MemoryKind : unsigned { unknown, host, device };
MemoryKind kind_of(uintptr_t address);
/** From the address to the end of what CUDA gave out there; 0 for other memory. */
size_t bytes_from(uintptr_t address);
/** The name that tests set, or that of device 0. */
std::string gpu_name();

/** Device memory that is freed with its owner. */
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  ~DeviceMemory() { free(); }
  /** A CUresult; what there was before is freed. Nothing is allocated for 0 bytes. */
  int allocate(size_t bytes);
  void free();
  uintptr_t address() const { return address_; }
  size_t bytes() const { return bytes_; }

 private:
  uintptr_t address_ = 0;
  size_t bytes_ = 0;
};

}  // namespace fake_nvinfer
