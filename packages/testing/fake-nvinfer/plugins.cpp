#include "plugins.h"

#include <dlfcn.h>

#include <map>
#include <mutex>

#include "callbacks.h"
#include "control.h"
#include "operators.h"

namespace fake_nvinfer {
namespace {

struct Registry : Body {
  static constexpr Class type = Class::PluginRegistry;
  bool parent_search = true;
};

using Run = void (*)(const float*, float*, size_t);

Operator plugin_operator(Run run) {
  Operator op{"PLUGIN_V3", first_type, first_shape, nullptr, {}};
  op.run = [run](const Layer&, const Views& in, const Views& out) {
    const std::vector<float> x = floats_of(in[0]);
    std::vector<float> y(x.size());
    run(x.data(), y.data(), x.size());
    store(out[0], y);
  };
  return op;
}

std::mutex loaded_mutex;

/** Operators by the handles of their libraries. */
std::map<void*, std::string>& loaded() {
  static auto* instance = new std::map<void*, std::string>;
  return *instance;
}

Registry& registry() {
  static Registry* instance = [] {
    auto* made = make<Registry>();
    // The library's own: nobody destroys it.
    count_object(Registry::type, -1);
    return made;
  }();
  return *instance;
}

}  // namespace

void* plugin_registry() { return handle_of(registry()); }

void* load_plugin_library(const std::string& path, std::string& reason) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    reason = dlerror();
    return nullptr;
  }
  const auto name = reinterpret_cast<const char* (*)()>(dlsym(library, "fake_nvinfer_plugin_operator"));
  const auto run = reinterpret_cast<Run>(dlsym(library, "fake_nvinfer_plugin_run"));
  if (!name || !run) {
    reason = path + " is no plugin library";
    dlclose(library);
    return nullptr;
  }
  const std::lock_guard<std::mutex> lock(loaded_mutex);
  const RegisteredOperator registered({name()}, plugin_operator(run));
  loaded()[library] = name();
  return library;
}

void forget_plugins() {
  const std::lock_guard<std::mutex> lock(loaded_mutex);
  for (const auto& [library, op] : loaded()) remove_operator(op);
  loaded().clear();
}

FAKE_METHOD(PluginRegistry, loadLibrary, void*, (Registry & self, const char* path)) {
  std::string reason;
  void* handle = load_plugin_library(path, reason);
  if (!handle) report(self, ErrorCode::invalid_argument, "PluginRegistry.loadLibrary", reason);
  return handle;
}
FAKE_METHOD(PluginRegistry, deregisterLibrary, void, (Registry&, void* handle)) {
  const std::lock_guard<std::mutex> lock(loaded_mutex);
  const auto found = loaded().find(handle);
  if (found == loaded().end()) return;
  remove_operator(found->second);
  loaded().erase(found);
}
FAKE_METHOD(PluginRegistry, setErrorRecorder, void, (Registry & self, void* recorder)) { set_recorder(self, recorder); }
FAKE_METHOD(PluginRegistry, getErrorRecorder, void*, (Registry & self)) { return self.recorder; }
FAKE_METHOD(PluginRegistry, isParentSearchEnabled, bool, (Registry & self)) { return self.parent_search; }
FAKE_METHOD(PluginRegistry, setParentSearchEnabled, void, (Registry & self, bool enabled)) { self.parent_search = enabled; }
FAKE_METHOD(PluginRegistry, getAllCreators, void*, (Registry&, int32_t* count)) {
  *count = 0;
  return nullptr;
}

}  // namespace fake_nvinfer
