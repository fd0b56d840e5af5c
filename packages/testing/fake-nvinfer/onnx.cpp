#include "onnx.h"

#include <cstring>
#include <fstream>
#include <stdexcept>

namespace fake_nvinfer::onnx {
namespace {

/** One message of the protocol-buffer encoding. Throws std::runtime_error where it ends too early. */
class Reader {
 public:
  Reader(const void* bytes, size_t count) : at_(static_cast<const unsigned char*>(bytes)), end_(at_ + count) {}

  /** The next field; false at the end. */
  bool next() {
    if (at_ == end_) return false;
    const uint64_t key = varint();
    field = static_cast<uint32_t>(key >> 3);
    wire_ = key & 7;
    if (!field) fail();
    switch (wire_) {
      case 0: number_ = varint(); break;
      case 1: number_ = fixed(8); break;
      case 5: number_ = fixed(4); break;
      case 2: {
        const uint64_t length = varint();
        if (length > static_cast<uint64_t>(end_ - at_)) fail();
        first_ = at_;
        at_ += length;
        length_ = length;
        break;
      }
      default: fail();
    }
    return true;
  }

  uint32_t field = 0;

  int64_t integer() const { return wire_ == 0 ? static_cast<int64_t>(number_) : (fail(), 0); }
  float real() const {
    if (wire_ != 5) fail();
    return from_bits<float>(number_);
  }
  std::string text() const { return wire_ == 2 ? std::string(reinterpret_cast<const char*>(first_), length_) : (fail(), ""); }
  Reader message() const { return wire_ == 2 ? Reader(first_, length_) : (fail(), Reader(nullptr, 0)); }

  /** One element, or a packed run of them. */
  template <class Add>
  void integers(Add add) const {
    if (wire_ == 0) return add(static_cast<int64_t>(number_));
    for (Reader packed = message(); packed.at_ != packed.end_;) add(static_cast<int64_t>(packed.varint()));
  }
  template <class T, class Add>
  void reals(Add add) const {
    if (wire_ == (sizeof(T) == 4 ? 5 : 1)) return add(from_bits<T>(number_));
    for (Reader packed = message(); packed.at_ != packed.end_;) add(from_bits<T>(packed.fixed(sizeof(T))));
  }

 private:
  const unsigned char *at_, *end_, *first_ = nullptr;
  uint64_t number_ = 0, wire_ = 0;
  size_t length_ = 0;

  [[noreturn]] static void fail() { throw std::runtime_error("the bytes are no ONNX model, or end too early"); }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) fail();
      const unsigned char byte = *at_++;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    fail();
  }
  uint64_t fixed(size_t bytes) {
    if (static_cast<size_t>(end_ - at_) < bytes) fail();
    uint64_t value = 0;
    std::memcpy(&value, at_, bytes);
    at_ += bytes;
    return value;
  }
  template <class T>
  static T from_bits(uint64_t bits) {
    T value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
};

template <class T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/** Elements of int32_data are stored as wide as their type is. */
void append_int32(Tensor& tensor, int64_t value) {
  switch (bytes_of(type_of(tensor.type))) {
    case 1: return append(tensor.bytes, static_cast<int8_t>(value));
    case 2: return append(tensor.bytes, static_cast<uint16_t>(value));
    default: return append(tensor.bytes, static_cast<int32_t>(value));
  }
}

Tensor read_tensor(Reader reader) {
  Tensor tensor;
  std::vector<int64_t> int32_data;
  while (reader.next()) {
    switch (reader.field) {
      case 1: reader.integers([&](int64_t size) { tensor.shape.push_back(size); }); break;
      case 2: tensor.type = reader.integer(); break;
      case 4: reader.reals<float>([&](float value) { append(tensor.bytes, value); }); break;
      case 5: reader.integers([&](int64_t value) { int32_data.push_back(value); }); break;
      case 7: reader.integers([&](int64_t value) { append(tensor.bytes, value); }); break;
      case 8: tensor.name = reader.text(); break;
      case 9: tensor.bytes = reader.text(); break;
      case 10: reader.reals<double>([&](double value) { append(tensor.bytes, value); }); break;
      case 13: {
        std::string key, value;
        for (Reader entry = reader.message(); entry.next();) (entry.field == 1 ? key : value) = entry.text();
        tensor.external[key] = value;
        break;
      }
    }
  }
  for (const int64_t value : int32_data) append_int32(tensor, value);
  return tensor;
}

Attribute read_attribute(Reader reader) {
  Attribute attribute;
  while (reader.next()) {
    switch (reader.field) {
      case 1: attribute.name = reader.text(); break;
      case 2: attribute.f = reader.real(); break;
      case 3: attribute.i = reader.integer(); break;
      case 4: attribute.s = reader.text(); break;
      case 5: attribute.t = read_tensor(reader.message()); break;
      case 6:
      case 11: attribute.has_graph = true; break;
      case 7: reader.reals<float>([&](float value) { attribute.floats.push_back(value); }); break;
      case 8: reader.integers([&](int64_t value) { attribute.ints.push_back(value); }); break;
    }
  }
  return attribute;
}

Node read_node(Reader reader) {
  Node node;
  while (reader.next()) {
    switch (reader.field) {
      case 1: node.inputs.push_back(reader.text()); break;
      case 2: node.outputs.push_back(reader.text()); break;
      case 3: node.name = reader.text(); break;
      case 4: node.op = reader.text(); break;
      case 5: {
        Attribute attribute = read_attribute(reader.message());
        node.attributes[attribute.name] = std::move(attribute);
        break;
      }
      case 7: node.domain = reader.text(); break;
    }
  }
  return node;
}

Shape read_shape(Reader reader) {
  Shape shape;
  while (reader.next()) {
    if (reader.field != 1) continue;
    int64_t size = -1;
    for (Reader dimension = reader.message(); dimension.next();)
      if (dimension.field == 1) size = dimension.integer();
    shape.push_back(size);
  }
  return shape;
}

Value read_value(Reader reader) {
  Value value;
  while (reader.next()) {
    if (reader.field == 1) value.name = reader.text();
    if (reader.field != 2) continue;
    for (Reader type = reader.message(); type.next();) {
      if (type.field != 1) continue;
      for (Reader tensor = type.message(); tensor.next();) {
        if (tensor.field == 1) value.type = tensor.integer();
        if (tensor.field == 2) value.shape = read_shape(tensor.message());
      }
    }
  }
  return value;
}

void read_graph(Reader reader, Model& model) {
  while (reader.next()) {
    switch (reader.field) {
      case 1: model.nodes.push_back(read_node(reader.message())); break;
      case 2: model.name = reader.text(); break;
      case 5: model.initializers.push_back(read_tensor(reader.message())); break;
      case 11: model.inputs.push_back(read_value(reader.message())); break;
      case 12: model.outputs.push_back(read_value(reader.message())); break;
    }
  }
}

}  // namespace

std::optional<Model> read_model(const void* bytes, size_t count, std::string& reason) {
  try {
    Model model;
    bool has_graph = false;
    for (Reader reader(bytes, count); reader.next();) {
      if (reader.field == 7) {
        read_graph(reader.message(), model);
        has_graph = true;
      }
      if (reader.field != 8) continue;
      std::string domain;
      int64_t version = 0;
      for (Reader opset = reader.message(); opset.next();) {
        if (opset.field == 1) domain = opset.text();
        if (opset.field == 2) version = opset.integer();
      }
      if (domain.empty() || domain == "ai.onnx") model.opset = version;
    }
    if (has_graph) return model;
    reason = "the bytes hold no graph";
  } catch (const std::runtime_error& error) {
    reason = error.what();
  }
  return std::nullopt;
}

std::optional<std::string> read_bytes(const Tensor& tensor, const std::string& model_path, std::string& reason) {
  const auto location = tensor.external.find("location");
  if (location == tensor.external.end()) return tensor.bytes;
  const auto number = [&](const char* key, uint64_t otherwise) {
    const auto found = tensor.external.find(key);
    return found == tensor.external.end() ? otherwise : std::strtoull(found->second.c_str(), nullptr, 10);
  };
  const std::string path = model_path.substr(0, model_path.find_last_of('/') + 1) + location->second;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const uint64_t size = file ? static_cast<uint64_t>(file.tellg()) : 0;
  const uint64_t offset = number("offset", 0), length = number("length", size - std::min(size, offset));
  if (!file || offset > size || length > size - offset) {
    reason = "Failed to open file: " + path;
    return std::nullopt;
  }
  std::string bytes(length, 0);
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(bytes.data(), static_cast<std::streamsize>(length));
  return bytes;
}

DataType type_of(int64_t onnx_type) {
  switch (onnx_type) {
    case 1: return DataType::float32;
    case 2: return DataType::uint8;
    case 3: return DataType::int8;
    case 6: return DataType::int32;
    case 7: return DataType::int64;
    case 9: return DataType::boolean;
    case 10: return DataType::float16;
    case 16: return DataType::bfloat16;
    case 17: return DataType::float8;
    default: return DataType::none;
  }
}

}  // namespace fake_nvinfer::onnx
