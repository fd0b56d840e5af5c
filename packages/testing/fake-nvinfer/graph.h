// A network as the parser makes it and a plan keeps it.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "types.h"

namespace fake_nvinfer {

struct Layer {
  std::string name, op;
  /** Tensors by index; -1 for an optional input that is not there. */
  std::vector<int> inputs, outputs;
  std::map<std::string, std::vector<int64_t>> ints;
  std::map<std::string, std::vector<float>> floats;
  std::map<std::string, std::string> texts;
  /** Where a builder flag lets a layer compute with less precision: what its results are rounded to. */
  DataType rounded_to = DataType::none;

  int64_t number(const char* key, int64_t otherwise) const;
  float real(const char* key, float otherwise) const;
  std::vector<int64_t> numbers(const char* key, std::vector<int64_t> otherwise) const;
  std::string text(const char* key, const char* otherwise) const;
};

struct TensorInfo {
  std::string name;
  DataType type = DataType::none;
  /** As declared, -1 for dynamic dimensions; of inputs and outputs. */
  Shape shape;
};

struct Constant {
  Shape shape;
  std::string bytes;
};

struct Graph {
  std::string name;
  std::vector<TensorInfo> tensors;
  /** By tensor. */
  std::map<int, Constant> constants;
  /** In an order in which they can run. */
  std::vector<Layer> layers;
  std::vector<int> inputs, outputs;
  /** Inputs whose values decide about shapes: they lie in host memory. */
  std::set<int> shape_inputs;

  int find(const std::string& name) const;
  bool is_input(int tensor) const;
  bool is_output(int tensor) const;
};

/** Weights that can be refitted: constants of floats. */
bool is_weights(const Graph& graph, int tensor);

void write_graph(std::string& bytes, const Graph& graph);
/** Throws std::runtime_error where the bytes end too early. */
Graph read_graph(const std::string& bytes, size_t& position);

}  // namespace fake_nvinfer
