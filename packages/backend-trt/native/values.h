// JavaScript's values and C++'s. What reads throws Failure INVALID_ARGUMENT {argument, expected}.
#pragma once
#include <napi.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "abi.h"
#include "failure.h"

namespace lowlat_trt {

Failure invalid(const std::string& argument, const std::string& expected);

Napi::Object object_of(const Napi::Value& value, const std::string& argument);
Napi::Function function_of(const Napi::Value& value, const std::string& argument);
std::string text_of(const Napi::Value& value, const std::string& argument);
bool flag_of(const Napi::Value& value, const std::string& argument);
/** A whole number that both sides represent exactly. */
int64_t integer_of(const Napi::Value& value, const std::string& argument, int64_t least, int64_t most);
int32_t int32_of(const Napi::Value& value, const std::string& argument, int32_t least = 0);
/** An address, a handle or a number of bytes: below 2^53. */
uint64_t size_of(const Napi::Value& value, const std::string& argument);
void* pointer_of(const Napi::Value& value, const std::string& argument);
std::vector<std::string> texts_of(const Napi::Value& value, const std::string& argument);
std::vector<int64_t> integers_of(const Napi::Value& value, const std::string& argument);
/** At most 8 extents. */
Dims dims_of(const Napi::Value& value, const std::string& argument);

bool is_given(const Napi::Value& value);

/** Bytes in JavaScript's memory, to be retained; or the path of a file. */
struct Source {
  const void* data = nullptr;
  size_t size = 0;
  std::string path;
};
/** Takes `Uint8Array`, `{ bytes }` or `{ path }`; retains the array. */
Source source_of(const Napi::Value& value, const std::string& argument, std::vector<Napi::ObjectReference>& retained);

/** A file's contents, or the bytes that the source has. */
class SourceBytes {
 public:
  /** @throws Failure FILE_UNREADABLE {path}. */
  explicit SourceBytes(const Source& source);
  const void* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  std::string contents_;
  const void* data_;
  size_t size_;
};

Napi::Array to_array(Napi::Env env, const std::vector<std::string>& texts);
/** [] for no dimensions; null where TensorRT reports an error by a count of -1. */
Napi::Value to_array(Napi::Env env, const Dims& dims);
Napi::Number to_number(Napi::Env env, uint64_t value);
Napi::Error to_error(Napi::Env env, const Failure& failure);

/** Runs the body of a function that JavaScript called: whatever it throws becomes an exception there. */
template <class Body>
Napi::Value guard(Napi::Env env, const Body& body) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_error(env, failure_of_exception());
  }
}

}  // namespace lowlat_trt
