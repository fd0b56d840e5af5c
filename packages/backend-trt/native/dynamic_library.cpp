#include "dynamic_library.h"

#include <dlfcn.h>
#include <link.h>

#include <climits>
#include <cstdlib>

#include "failure.h"

namespace lowlat_trt {

namespace {

std::string path_of(void* handle, const std::string& name) {
  link_map* map = nullptr;
  return dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map && map->l_name && *map->l_name ? map->l_name : name;
}

/** 10 of libname.so.10.13.2; none where the name does not say. */
std::optional<int> major_in(const std::string& path) {
  const size_t slash = path.rfind('/');
  const size_t suffix = path.find(".so.", slash == std::string::npos ? 0 : slash);
  if (suffix == std::string::npos) return {};
  const char* digits = path.c_str() + suffix + 4;
  char* end = nullptr;
  const long major = std::strtol(digits, &end, 10);
  return end == digits ? std::nullopt : std::optional<int>(static_cast<int>(major));
}

/** What the file is called behind all links. */
std::string real_name(const std::string& path) {
  char target[PATH_MAX];
  return realpath(path.c_str(), target) ? target : path;
}

/** Why this is not the wanted major, by its name or by what that links to; empty where it is, or neither says. */
std::string other_major(const std::string& path, std::optional<int> wanted) {
  if (!wanted) return {};
  for (const std::string& name : {path, real_name(path)}) {
    const std::optional<int> major = major_in(name);
    if (major && *major != *wanted)
      return path + " belongs to TensorRT " + std::to_string(*major) + ", not " + std::to_string(*wanted);
  }
  return {};
}

}  // namespace

DynamicLibrary DynamicLibrary::open(const char* what, const std::vector<std::string>& candidates, std::optional<int> major) {
  std::string reasons;
  for (const std::string& candidate : candidates) {
    std::string reason = other_major(candidate, major);
    if (reason.empty()) {
      if (void* handle = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL)) {
        std::string path = path_of(handle, candidate);
        reason = other_major(path, major);
        if (reason.empty()) return {handle, std::move(path)};
        dlclose(handle);
      } else {
        const char* error = dlerror();
        reason = error ? error : candidate;
      }
    }
    reasons += (reasons.empty() ? "" : "; ") + reason;
  }
  if (candidates.empty()) reasons = "no name to look for was given";
  throw Failure{"LIBRARY_MISSING", std::string("The library ") + what + " cannot be loaded: " + reasons, {}}
      .with("library", std::string(what))
      .with("tried", candidates)
      .with("reason", reasons);
}

void* DynamicLibrary::find(const char* name) const { return dlsym(handle_, name); }

void* DynamicLibrary::find_or_fail(const char* name) const {
  if (void* found = find(name)) return found;
  throw Failure{"SYMBOL_MISSING", path_ + " has no function " + name, {}}
      .with("library", path_)
      .with("symbol", std::string(name));
}

}  // namespace lowlat_trt
