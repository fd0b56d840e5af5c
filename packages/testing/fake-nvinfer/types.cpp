#include "types.h"

#include <cstdio>
#include <cstdlib>

#include "object.h"

namespace fake_nvinfer {

void check_enumerators() {
  struct Expected {
    const char *name, *key;
    int32_t value;
  };
  const auto of = [](auto value) { return static_cast<int32_t>(value); };
  const Expected all[] = {
      {"DataType", "FLOAT", of(DataType::float32)},
      {"DataType", "HALF", of(DataType::float16)},
      {"DataType", "INT8", of(DataType::int8)},
      {"DataType", "INT32", of(DataType::int32)},
      {"DataType", "BOOL", of(DataType::boolean)},
      {"DataType", "UINT8", of(DataType::uint8)},
      {"DataType", "FP8", of(DataType::float8)},
      {"DataType", "BF16", of(DataType::bfloat16)},
      {"DataType", "INT64", of(DataType::int64)},
      {"Severity", "INTERNAL_ERROR", of(Severity::internal_error)},
      {"Severity", "VERBOSE", of(Severity::verbose)},
      {"ErrorCode", "INVALID_ARGUMENT", of(ErrorCode::invalid_argument)},
      {"ErrorCode", "INVALID_CONFIG", of(ErrorCode::invalid_config)},
      {"ErrorCode", "FAILED_ALLOCATION", of(ErrorCode::failed_allocation)},
      {"ErrorCode", "UNSUPPORTED_STATE", of(ErrorCode::unsupported_state)},
      {"TensorIOMode", "INPUT", of(Mode::input)},
      {"TensorIOMode", "OUTPUT", of(Mode::output)},
      {"TensorLocation", "DEVICE", of(Location::device)},
      {"TensorLocation", "HOST", of(Location::host)},
      {"OptProfileSelector", "MIN", of(Selector::min)},
      {"OptProfileSelector", "OPT", of(Selector::opt)},
      {"OptProfileSelector", "MAX", of(Selector::max)},
      {"ProfilingVerbosity", "LAYER_NAMES_ONLY", of(Verbosity::layer_names_only)},
      {"ProfilingVerbosity", "NONE", of(Verbosity::none)},
      {"ProfilingVerbosity", "DETAILED", of(Verbosity::detailed)},
      {"ExecutionContextAllocationStrategy", "STATIC", of(Allocation::own)},
      {"ExecutionContextAllocationStrategy", "ON_PROFILE_CHANGE", of(Allocation::on_profile_change)},
      {"ExecutionContextAllocationStrategy", "USER_MANAGED", of(Allocation::user)},
      {"ParserErrorCode", "MODEL_DESERIALIZE_FAILED", of(ParserCode::model_deserialize)},
      {"ParserErrorCode", "UNSUPPORTED_NODE", of(ParserCode::unsupported_node)},
      {"ParserErrorCode", "REFIT_FAILED", of(ParserCode::refit)},
  };
  for (const Expected& expected : all) {
    const std::optional<int32_t> value = enumerator(expected.name, expected.key);
    if (value == expected.value) continue;
    std::fprintf(stderr, "fake nvinfer: %s::k%s is not %d in the tables\n", expected.name, expected.key, expected.value);
    std::abort();
  }
}

size_t bytes_of(DataType type) {
  switch (type) {
    case DataType::float32:
    case DataType::int32: return 4;
    case DataType::float16:
    case DataType::bfloat16: return 2;
    case DataType::int64: return 8;
    case DataType::int8:
    case DataType::uint8:
    case DataType::boolean: return 1;
    default: return 0;
  }
}

const char* name_of(DataType type) {
  switch (type) {
    case DataType::float32: return "Float";
    case DataType::float16: return "Half";
    case DataType::int8: return "Int8";
    case DataType::int32: return "Int32";
    case DataType::boolean: return "Bool";
    case DataType::uint8: return "UInt8";
    case DataType::float8: return "FP8";
    case DataType::bfloat16: return "BFloat16";
    case DataType::int64: return "Int64";
    default: return "none";
  }
}

bool is_float(DataType type) {
  return type == DataType::float32 || type == DataType::float16 || type == DataType::bfloat16;
}

int64_t volume(const Shape& shape) {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

bool is_dynamic(const Shape& shape) {
  for (const int64_t size : shape)
    if (size < 0) return true;
  return false;
}

std::string text_of(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); i++) text += (i ? "," : "") + std::to_string(shape[i]);
  return text + "]";
}

Dims to_dims(const Shape& shape) {
  Dims dims{};
  dims.count = static_cast<int32_t>(shape.size());
  for (size_t i = 0; i < shape.size() && i < 8; i++) dims.sizes[i] = shape[i];
  return dims;
}

bool to_shape(const Dims& dims, Shape& shape) {
  if (dims.count < 0 || dims.count > 8) return false;
  shape.assign(dims.sizes, dims.sizes + dims.count);
  return true;
}

uint64_t hash(const void* bytes, size_t count, uint64_t start) {
  const auto* byte = static_cast<const unsigned char*>(bytes);
  for (size_t i = 0; i < count; i++) start = (start ^ byte[i]) * 0x100000001b3u;
  return start;
}

}  // namespace fake_nvinfer
