#include "dynamic_library.h"

#include <dlfcn.h>
#include <link.h>

#include "failure.h"

namespace lowlat_trt {

namespace {

std::string path_of(void* handle, const std::string& name) {
  link_map* map = nullptr;
  return dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map && map->l_name && *map->l_name ? map->l_name : name;
}

}  // namespace

DynamicLibrary DynamicLibrary::open(const char* what, const std::vector<std::string>& candidates) {
  std::string reason;
  for (const std::string& candidate : candidates) {
    if (void* handle = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL)) return {handle, path_of(handle, candidate)};
    const char* error = dlerror();
    reason += (reason.empty() ? "" : "; ") + std::string(error ? error : candidate);
  }
  if (candidates.empty()) reason = "no name to look for was given";
  throw Failure{"LIBRARY_MISSING", std::string("The library ") + what + " cannot be loaded: " + reason, {}}
      .with("library", std::string(what))
      .with("tried", candidates)
      .with("reason", reason);
}

void* DynamicLibrary::find(const char* name) const { return dlsym(handle_, name); }

void* DynamicLibrary::find_or_fail(const char* name) const {
  if (void* found = find(name)) return found;
  throw Failure{"SYMBOL_MISSING", path_ + " has no function " + name, {}}
      .with("library", path_)
      .with("symbol", std::string(name));
}

}  // namespace lowlat_trt
