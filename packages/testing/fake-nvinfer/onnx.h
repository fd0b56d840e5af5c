// A reader of ONNX models, as far as this library knows them (field numbers: onnx.proto of the ONNX project).
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "types.h"

namespace fake_nvinfer::onnx {

struct Tensor {
  std::string name;
  int64_t type = 0;
  Shape shape;
  /** Little-endian elements, whichever field they stood in. */
  std::string bytes;
  /** Key "location", "offset", "length" where the bytes stand in a file beside the model. */
  std::map<std::string, std::string> external;
};

struct Attribute {
  std::string name;
  int64_t i = 0;
  float f = 0;
  std::string s;
  std::optional<Tensor> t;
  std::vector<int64_t> ints;
  std::vector<float> floats;
  bool has_graph = false;
};

struct Node {
  std::string name, op, domain;
  std::vector<std::string> inputs, outputs;
  std::map<std::string, Attribute> attributes;
};

struct Value {
  std::string name;
  int64_t type = 0;
  /** -1: not known, or named. No shape at all: empty. */
  std::optional<Shape> shape;
};

struct Model {
  int64_t opset = 0;
  std::string name;
  std::vector<Node> nodes;
  std::vector<Tensor> initializers;
  std::vector<Value> inputs, outputs;
};

/** Empty for bytes that are no ONNX model; `reason` says why then. */
std::optional<Model> read_model(const void* bytes, size_t count, std::string& reason);

/** The bytes of an initializer, from the model's folder where they stand in a file; empty with a reason where they cannot be had. */
std::optional<std::string> read_bytes(const Tensor& tensor, const std::string& model_path, std::string& reason);

/** DataType::none for types that TensorRT does not have. */
DataType type_of(int64_t onnx_type);

}  // namespace fake_nvinfer::onnx
