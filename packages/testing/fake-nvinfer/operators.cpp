#include "operators.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "half.h"

namespace fake_nvinfer {
namespace {

std::map<std::string, Operator>& all() {
  static auto* instance = new std::map<std::string, Operator>;
  return *instance;
}

float from_bfloat16(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}

uint16_t to_bfloat16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if (value != value) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

template <class To, class From>
std::vector<To> converted(const void* data, size_t count) {
  const From* from = static_cast<const From*>(data);
  return std::vector<To>(from, from + count);
}

template <class To>
std::vector<To> load(const View& view) {
  const size_t count = static_cast<size_t>(view.count());
  const auto* bits = static_cast<const uint16_t*>(view.data);
  std::vector<To> values;
  switch (view.type) {
    case DataType::float32: return converted<To, float>(view.data, count);
    case DataType::int8: return converted<To, int8_t>(view.data, count);
    case DataType::uint8: return converted<To, uint8_t>(view.data, count);
    case DataType::boolean: return converted<To, uint8_t>(view.data, count);
    case DataType::int32: return converted<To, int32_t>(view.data, count);
    case DataType::int64: return converted<To, int64_t>(view.data, count);
    case DataType::float16:
      for (size_t i = 0; i < count; i++) values.push_back(static_cast<To>(cuda_sim::half_bits_to_float(bits[i])));
      return values;
    case DataType::bfloat16:
      for (size_t i = 0; i < count; i++) values.push_back(static_cast<To>(from_bfloat16(bits[i])));
      return values;
    default: throw std::runtime_error("no values of this type can be read");
  }
}

template <class To, class From>
void saturate(void* data, const std::vector<From>& values) {
  To* to = static_cast<To*>(data);
  constexpr To low = std::numeric_limits<To>::lowest(), high = std::numeric_limits<To>::max();
  for (size_t i = 0; i < values.size(); i++) {
    const From value = values[i];
    // The bounds as From may lie one above what To holds: not below them is saturated too.
    to[i] = value != value ? To{0} : value <= static_cast<From>(low) ? low : value >= static_cast<From>(high) ? high : static_cast<To>(value);
  }
}

template <class From>
void save(const View& view, const std::vector<From>& values) {
  auto* bits = static_cast<uint16_t*>(view.data);
  switch (view.type) {
    case DataType::float32:
      for (size_t i = 0; i < values.size(); i++) static_cast<float*>(view.data)[i] = static_cast<float>(values[i]);
      return;
    case DataType::float16:
      for (size_t i = 0; i < values.size(); i++) bits[i] = cuda_sim::float_to_half_bits(static_cast<float>(values[i]));
      return;
    case DataType::bfloat16:
      for (size_t i = 0; i < values.size(); i++) bits[i] = to_bfloat16(static_cast<float>(values[i]));
      return;
    case DataType::boolean:
      for (size_t i = 0; i < values.size(); i++) static_cast<uint8_t*>(view.data)[i] = values[i] != 0;
      return;
    case DataType::int8: return saturate<int8_t>(view.data, values);
    case DataType::uint8: return saturate<uint8_t>(view.data, values);
    case DataType::int32: return saturate<int32_t>(view.data, values);
    case DataType::int64: return saturate<int64_t>(view.data, values);
    default: throw std::runtime_error("no values of this type can be written");
  }
}

}  // namespace

const Operator* find_operator(const std::string& op) {
  const auto found = all().find(op);
  return found == all().end() ? nullptr : &found->second;
}

void remove_operator(const std::string& op) { all().erase(op); }

RegisteredOperator::RegisteredOperator(std::initializer_list<const char*> names, Operator op) {
  for (const char* name : names) all().emplace(name, op);
}

std::vector<float> floats_of(const View& view) { return load<float>(view); }
std::vector<int64_t> integers_of(const View& view) { return load<int64_t>(view); }
void store(const View& view, const std::vector<float>& values) { save(view, values); }
void store(const View& view, const std::vector<int64_t>& values) { save(view, values); }

std::vector<int64_t> integers_of(const Operand& operand, const char* what) {
  if (!operand.value) throw std::runtime_error(std::string(what) + " is not known before the network runs");
  return integers_of(View{operand.type, operand.shape, const_cast<char*>(operand.value->data())});
}

std::vector<DataType> first_type(const Layer&, const std::vector<DataType>& types) { return {types[0]}; }
std::vector<Shape> first_shape(const Layer&, const Operands& inputs) { return {inputs[0].shape}; }

Shape broadcast(const Shape& a, const Shape& b) {
  Shape shape(std::max(a.size(), b.size()));
  for (size_t i = 0; i < shape.size(); i++) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1, y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) throw std::runtime_error("shapes " + text_of(a) + " and " + text_of(b) + " do not broadcast");
    shape[shape.size() - 1 - i] = x == 1 ? y : x;
  }
  return shape;
}

size_t axis_of(int64_t axis, size_t rank) {
  const int64_t size = static_cast<int64_t>(rank);
  if (axis < -size || axis >= size) throw std::runtime_error("axis " + std::to_string(axis) + " is out of range");
  return static_cast<size_t>(axis < 0 ? axis + size : axis);
}

int64_t product(const Shape& shape, size_t first, size_t last) {
  int64_t result = 1;
  for (size_t i = first; i < last; i++) result *= shape[i];
  return result;
}

void copy_elements(const View& from, const View& to) {
  std::memcpy(to.data, from.data, bytes_of(to.type) * static_cast<size_t>(to.count()));
}

}  // namespace fake_nvinfer
