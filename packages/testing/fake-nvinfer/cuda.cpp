#include "cuda.h"

#include <dlfcn.h>

#include <cstdlib>

#include "control.h"

namespace fake_nvinfer {
namespace {

struct Loaded {
  Cuda calls{};
  std::string reason;
};

template <class Function>
void find(void* library, const char* name, Function& function, std::string& reason) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (!function && reason.empty()) reason = std::string("the CUDA driver has no ") + name;
}

Loaded load() {
  Loaded loaded;
  const char* path = std::getenv("LOWLAT_CUDA_DRIVER_LIB");
  void* library = dlopen(path && *path ? path : "libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    loaded.reason = dlerror();
    return loaded;
  }
  Cuda& c = loaded.calls;
  const auto need = [&](const char* name, auto& function) { find(library, name, function, loaded.reason); };
  need("cuCtxGetCurrent", c.ctx_get_current);
  need("cuDeviceGetName", c.device_get_name);
  need("cuMemAlloc_v2", c.mem_alloc);
  need("cuMemFree_v2", c.mem_free);
  need("cuMemHostAlloc", c.mem_host_alloc);
  need("cuMemFreeHost", c.mem_free_host);
  need("cuMemcpyHtoD_v2", c.memcpy_to_device);
  need("cuMemcpyDtoH_v2", c.memcpy_to_host);
  need("cuPointerGetAttribute", c.pointer_attribute);
  need("cuMemGetAddressRange_v2", c.mem_address_range);
  need("cuLaunchHostFunc", c.launch_host_func);
  need("cuStreamSynchronize", c.stream_synchronize);
  need("cuStreamQuery", c.stream_query);
  need("cuStreamIsCapturing", c.stream_is_capturing);
  need("cuStreamWaitEvent", c.stream_wait_event);
  need("cuStreamCreate", c.stream_create);
  need("cuStreamDestroy_v2", c.stream_destroy);
  need("cuEventCreate", c.event_create);
  need("cuEventDestroy_v2", c.event_destroy);
  need("cuEventRecord", c.event_record);
  need("cuGetErrorName", c.get_error_name);
  return loaded;
}

}  // namespace

const Cuda* cuda(std::string* reason) {
  static const Loaded* loaded = new Loaded(load());
  if (reason) *reason = loaded->reason;
  return loaded->reason.empty() ? &loaded->calls : nullptr;
}

std::string cuda_error(int result) {
  const char* name = nullptr;
  if (!cuda() || cuda()->get_error_name(result, &name) != 0 || !name) return "CUDA error " + std::to_string(result);
  return name;
}

bool has_context() {
  void* context = nullptr;
  return cuda() && cuda()->ctx_get_current(&context) == 0 && context;
}

MemoryKind kind_of(uintptr_t address) {
  constexpr int memory_type = 2;
  MemoryKind kind = MemoryKind::unknown;
  return cuda()->pointer_attribute(&kind, memory_type, address) == 0 ? kind : MemoryKind::unknown;
}

size_t bytes_from(uintptr_t address) {
  uintptr_t base = 0;
  size_t bytes = 0;
  return cuda()->mem_address_range(&base, &bytes, address) == 0 ? base + bytes - address : 0;
}

std::string gpu_name() {
  std::string name = setting(&Control::gpu_name);
  if (!name.empty() || !cuda()) return name;
  char text[128] = "";
  cuda()->device_get_name(text, sizeof text, 0);
  return text;
}

int DeviceMemory::allocate(size_t bytes) {
  free();
  if (!bytes) return 0;
  const int result = cuda()->mem_alloc(&address_, bytes);
  if (result == 0) bytes_ = bytes;
  else address_ = 0;
  return result;
}

void DeviceMemory::free() {
  if (address_) cuda()->mem_free(address_);
  address_ = bytes_ = 0;
}

}  // namespace fake_nvinfer
