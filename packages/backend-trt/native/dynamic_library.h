// Libraries that are opened at run time.
#pragma once
#include <optional>
#include <string>
#include <vector>

namespace lowlat_trt {

/** Opened, and never closed: such libraries have threads and objects that outlive their users. */
class DynamicLibrary {
 public:
  /**
   * The first of these that loads. Where a major version is wanted, those are passed over whose file is named for another
   * one: such libraries tell their version in no other way, and calls between majors end the process.
   * @throws Failure LIBRARY_MISSING {library, tried, reason}.
   */
  static DynamicLibrary open(const char* what, const std::vector<std::string>& candidates, std::optional<int> major = {});

  /** As the system's loader knows it. */
  const std::string& path() const { return path_; }

  /** @throws Failure SYMBOL_MISSING {library, symbol}. */
  template <class Function>
  Function symbol(const char* name) const {
    return reinterpret_cast<Function>(find_or_fail(name));
  }
  /** Null where it is missing. */
  template <class Function>
  Function optional(const char* name) const {
    return reinterpret_cast<Function>(find(name));
  }

 private:
  DynamicLibrary(void* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  void* find(const char* name) const;
  void* find_or_fail(const char* name) const;
  void* handle_;
  std::string path_;
};

}  // namespace lowlat_trt
