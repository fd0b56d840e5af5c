// The plain structures and enumerators that cross TensorRT's interface. Those here are the same in both majors, which
// check_enumerators verifies against the tables; the others are looked up by name.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#define FAKE_NVINFER_API extern "C" __attribute__((visibility("default")))

namespace fake_nvinfer {

/** 72 bytes; in memory when passed or returned by value. */
struct Dims {
  int32_t count;
  int64_t sizes[8];
};

struct Weights {
  int32_t type;
  const void* values;
  int64_t count;
};

enum class DataType : int32_t { float32, float16, int8, int32, boolean, uint8, float8, bfloat16, int64, none = -1 };
enum class Severity : int32_t { internal_error, error, warning, info, verbose };
enum class ErrorCode : int32_t {
  success,
  unspecified,
  internal,
  invalid_argument,
  invalid_config,
  failed_allocation,
  failed_initialization,
  failed_execution,
  failed_computation,
  invalid_state,
  unsupported_state,
};
enum class Mode : int32_t { none, input, output };
enum class Location : int32_t { device, host };
enum class Selector : int32_t { min, opt, max };
enum class Verbosity : int32_t { layer_names_only, none, detailed };
enum class Allocation : int32_t { own, on_profile_change, user };
enum class ParserCode : int32_t {
  success,
  internal,
  allocation,
  model_deserialize,
  invalid_value,
  invalid_graph,
  invalid_node,
  unsupported_graph,
  unsupported_node,
  unsupported_attribute,
  unsupported_input,
  unsupported_datatype,
  unsupported_dynamic,
  unsupported_shape,
  refit,
};

/** Ends the process where the tables give another value to one of the enumerators above. */
void check_enumerators();

using Shape = std::vector<int64_t>;

/** Bytes of an element; 0 for types that nothing here computes with. */
size_t bytes_of(DataType type);
/** As in the engine inspector and in error messages. */
const char* name_of(DataType type);
bool is_float(DataType type);

int64_t volume(const Shape& shape);
inline size_t bytes_of(DataType type, const Shape& shape) { return bytes_of(type) * static_cast<size_t>(volume(shape)); }
bool is_dynamic(const Shape& shape);
std::string text_of(const Shape& shape);
Dims to_dims(const Shape& shape);
/** False for more than 8 dimensions or fewer than 0. */
bool to_shape(const Dims& dims, Shape& shape);

/** What methods give that fail: a count of -1. */
inline Dims no_dims() {
  Dims dims{};
  dims.count = -1;
  return dims;
}

/** FNV-1a. */
uint64_t hash(const void* bytes, size_t count, uint64_t start = 0xcbf29ce484222325u);

}  // namespace fake_nvinfer
