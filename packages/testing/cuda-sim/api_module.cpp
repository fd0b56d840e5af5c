// Driver calls about modules, functions and launches. A module image is the text "cuda-sim-module:" and the path of a shared
// library, ended by a zero byte.
#include <dlfcn.h>

#include <algorithm>
#include <cstring>

#include "attributes.h"
#include "driver.h"

using namespace cuda_sim;

static CUresult load_module(Call& call, Module** handle, const void* image) {
  static const char prefix[] = "cuda-sim-module:";
  if (!handle || !image) return CUDA_ERROR_INVALID_VALUE;
  if (std::strncmp(static_cast<const char*>(image), prefix, sizeof prefix - 1) != 0) return CUDA_ERROR_INVALID_IMAGE;
  void* library = dlopen(static_cast<const char*>(image) + sizeof prefix - 1, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    driver().message = dlerror();
    return CUDA_ERROR_INVALID_IMAGE;
  }
  auto module = std::make_unique<Module>();
  module->context = call.context();
  module->library = library;
  *handle = driver().modules.add(std::move(module));
  return call.result();
}

CUDA_SIM_API CUresult cuModuleLoadData(Module** handle, const void* image) {
  CUDA_SIM_CALL(cuModuleLoadData, needs_context | unsafe_in_capture);
  return load_module(call, handle, image);
}

/** Options are accepted and have no effect: nothing is compiled. */
CUDA_SIM_API CUresult cuModuleLoadDataEx(Module** handle, const void* image, unsigned count, const int* options, void** values) {
  CUDA_SIM_CALL(cuModuleLoadDataEx, needs_context | unsafe_in_capture);
  if (count && (!options || !values)) return CUDA_ERROR_INVALID_VALUE;
  return load_module(call, handle, image);
}

/** The library stays loaded: kernels that are queued may still run. */
CUDA_SIM_API CUresult cuModuleUnload(void* handle) {
  CUDA_SIM_CALL(cuModuleUnload, needs_context | unsafe_in_capture | destroys);
  const Module* module = driver().modules.find(handle);
  if (!module) return CUDA_ERROR_INVALID_HANDLE;
  finish_all(call.lock());
  for (const auto& [name, function] : module->functions) function->loaded = false;
  driver().modules.remove(handle);
  return call.result();
}

CUDA_SIM_API CUresult cuModuleGetFunction(Function** handle, void* module_handle, const char* name) {
  CUDA_SIM_CALL(cuModuleGetFunction, needs_context);
  if (!handle || !name) return CUDA_ERROR_INVALID_VALUE;
  Module* module = driver().modules.find(module_handle);
  if (!module) return CUDA_ERROR_INVALID_HANDLE;
  std::shared_ptr<Function>& function = module->functions[name];
  if (!function) {
    const auto symbol = [&](const char* kind) { return dlsym(module->library, (std::string("lowlat_kernel_") + kind + name).c_str()); };
    void* kernel = symbol("");
    const auto* bytes = static_cast<const uint32_t*>(symbol("params_"));
    const auto* threads = static_cast<const uint32_t*>(symbol("threads_"));
    if (!kernel || !bytes) {
      module->functions.erase(name);
      return CUDA_ERROR_NOT_FOUND;
    }
    function = std::make_shared<Function>();
    function->module = module;
    function->name = name;
    function->kernel = reinterpret_cast<void (*)(const void*)>(kernel);
    function->parameter_bytes = *bytes;
    function->largest_block = threads ? *threads : largest_block;
  }
  *handle = function.get();
  return call.result();
}

static std::shared_ptr<Function> find_function(const void* handle) {
  for (const auto& [module_handle, module] : driver().modules)
    for (const auto& [name, function] : module->functions)
      if (function.get() == handle) return function;
  return nullptr;
}

/** What a compiler would have chosen: launch bounds of large blocks leave fewer. */
static int registers(const Function& function) { return static_cast<int>(std::min<uint32_t>(128, 65536 / function.largest_block)); }

CUDA_SIM_API CUresult cuFuncGetAttribute(int* value, int attribute, void* handle) {
  CUDA_SIM_CALL(cuFuncGetAttribute, needs_context);
  const auto function = find_function(handle);
  if (!value) return CUDA_ERROR_INVALID_VALUE;
  if (!function) return CUDA_ERROR_INVALID_HANDLE;
  switch (attribute) {
    case 0: *value = static_cast<int>(function->largest_block); break;
    // Static shared, constant and local memory; global loads are not cached in L1 by choice.
    case 1: case 2: case 3: case 7: *value = 0; break;
    case 4: *value = registers(*function); break;
    case 5: case 6: *value = driver().compute_major * 10 + driver().compute_minor; break;
    case 8: *value = static_cast<int>(function->largest_shared_bytes); break;
    case 9: *value = -1; break;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  return call.result();
}

CUDA_SIM_API CUresult cuFuncSetAttribute(void* handle, int attribute, int value) {
  CUDA_SIM_CALL(cuFuncSetAttribute, needs_context);
  const auto function = find_function(handle);
  if (!function) return CUDA_ERROR_INVALID_HANDLE;
  if (attribute == 9) return value < -1 || value > 100 ? CUDA_ERROR_INVALID_VALUE : call.result();
  if (attribute != 8 || value < 0 || static_cast<uint32_t>(value) > largest_shared_bytes()) return CUDA_ERROR_INVALID_VALUE;
  function->largest_shared_bytes = static_cast<uint32_t>(value);
  return call.result();
}

CUDA_SIM_API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void* handle, int threads, size_t shared_bytes) {
  CUDA_SIM_CALL(cuOccupancyMaxActiveBlocksPerMultiprocessor, needs_context);
  const auto function = find_function(handle);
  if (!blocks || threads < 1) return CUDA_ERROR_INVALID_VALUE;
  if (!function) return CUDA_ERROR_INVALID_HANDLE;
  const size_t warps = (static_cast<size_t>(threads) + 31) / 32;
  if (static_cast<uint32_t>(threads) > function->largest_block || shared_bytes > function->largest_shared_bytes) {
    *blocks = 0;
    return call.result();
  }
  const size_t by_shared = shared_bytes_per_multiprocessor() / (shared_bytes + reserved_shared_bytes() + !reserved_shared_bytes());
  const size_t by_registers = 65536 / (static_cast<size_t>(registers(*function)) * 32 * warps);
  const size_t by_threads = threads_per_multiprocessor() / (32 * warps);
  *blocks = static_cast<int>(std::min({by_shared, by_registers, by_threads, static_cast<size_t>(blocks_per_multiprocessor())}));
  return call.result();
}

/** `extra` is (1 POINTER, address, 2 SIZE, address of the size, 0 END); the struct's size must be the kernel's. */
static bool read_parameters(const Function& function, void** parameters, void** extra, std::vector<unsigned char>& bytes) {
  const void* source = nullptr;
  if (parameters && !extra) {
    source = parameters[0];
  } else if (extra && !parameters) {
    size_t size = 0;
    for (void** at = extra; *at; at += 2) {
      const uintptr_t key = reinterpret_cast<uintptr_t>(*at);
      if (key == 1) source = at[1];
      else if (key == 2 && at[1]) size = *static_cast<const size_t*>(at[1]);
      else return false;
    }
    if (size != function.parameter_bytes) return false;
  }
  if (!source) return false;
  const auto* first = static_cast<const unsigned char*>(source);
  bytes.assign(first, first + function.parameter_bytes);
  return true;
}

/** As CUlaunchConfig, its attributes, and their 64 bytes of value. */
struct LaunchAttribute {
  int id;
  int padding;
  int value;
  char rest[60];
};
struct LaunchConfig {
  unsigned grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes;
  void* stream;
  const LaunchAttribute* attributes;
  unsigned attribute_count;
};

static CUresult launch(Call& call, const LaunchConfig& config, bool programmatic, void* handle, void** parameters, void** extra) {
  const auto function = find_function(handle);
  Stream* stream = find_stream(call, config.stream);
  if (!function || !stream) return CUDA_ERROR_INVALID_HANDLE;
  const unsigned largest_x = 2147483647, largest_yz = 65535;
  if (!config.grid_x || !config.grid_y || !config.grid_z || config.grid_x > largest_x || config.grid_y > largest_yz ||
      config.grid_z > largest_yz || !config.block_x || config.block_x > function->largest_block ||
      config.shared_bytes > function->largest_shared_bytes)
    return CUDA_ERROR_INVALID_VALUE;
  // Blocks here are one-dimensional: the fibers know no other threadIdx.
  if (config.block_y != 1 || config.block_z != 1) return CUDA_ERROR_INVALID_VALUE;
  Node node;
  node.kind = NodeKind::kernel;
  node.function = function;
  node.shape = {{config.grid_x, config.grid_y, config.grid_z}, {config.block_x, 1, 1}, config.shared_bytes};
  node.programmatic = programmatic;
  if (!read_parameters(*function, parameters, extra, node.parameters)) return CUDA_ERROR_INVALID_VALUE;
  return call.result(submit(*stream, std::move(node)));
}

CUDA_SIM_API CUresult cuLaunchKernel(void* handle, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                                     unsigned block_y, unsigned block_z, unsigned shared_bytes, void* stream,
                                     void** parameters, void** extra) {
  CUDA_SIM_CALL(cuLaunchKernel, needs_context);
  const LaunchConfig config = {grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes, stream, nullptr, 0};
  return launch(call, config, false, handle, parameters, extra);
}

/** Of the attributes only programmatic stream serialization is known. */
CUDA_SIM_API CUresult cuLaunchKernelEx(const LaunchConfig* config, void* handle, void** parameters, void** extra) {
  CUDA_SIM_CALL(cuLaunchKernelEx, needs_context);
  if (!config || (config->attribute_count && !config->attributes)) return CUDA_ERROR_INVALID_VALUE;
  bool programmatic = false;
  for (unsigned i = 0; i < config->attribute_count; i++) {
    const LaunchAttribute& attribute = config->attributes[i];
    // IGNORE 0, PROGRAMMATIC_STREAM_SERIALIZATION 6
    if (attribute.id != 0 && attribute.id != 6) return CUDA_ERROR_INVALID_VALUE;
    if (attribute.id == 6) programmatic = attribute.value != 0;
  }
  return launch(call, *config, programmatic, handle, parameters, extra);
}
