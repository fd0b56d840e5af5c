#include "graph.h"

#include <algorithm>

#include "archive.h"

namespace fake_nvinfer {

int64_t Layer::number(const char* key, int64_t otherwise) const {
  const auto found = ints.find(key);
  return found == ints.end() || found->second.empty() ? otherwise : found->second.front();
}

float Layer::real(const char* key, float otherwise) const {
  const auto found = floats.find(key);
  return found == floats.end() || found->second.empty() ? otherwise : found->second.front();
}

std::vector<int64_t> Layer::numbers(const char* key, std::vector<int64_t> otherwise) const {
  const auto found = ints.find(key);
  return found == ints.end() ? otherwise : found->second;
}

std::string Layer::text(const char* key, const char* otherwise) const {
  const auto found = texts.find(key);
  return found == texts.end() ? otherwise : found->second;
}

int Graph::find(const std::string& wanted) const {
  for (size_t i = 0; i < tensors.size(); i++)
    if (tensors[i].name == wanted) return static_cast<int>(i);
  return -1;
}

bool Graph::is_input(int tensor) const { return std::find(inputs.begin(), inputs.end(), tensor) != inputs.end(); }
bool Graph::is_output(int tensor) const { return std::find(outputs.begin(), outputs.end(), tensor) != outputs.end(); }

bool is_weights(const Graph& graph, int tensor) {
  const auto found = graph.constants.find(tensor);
  return found != graph.constants.end() && is_float(graph.tensors[static_cast<size_t>(tensor)].type);
}

static void archive(Archive& a, Layer& layer) {
  a(layer.name), a(layer.op), a(layer.inputs), a(layer.outputs), a(layer.ints), a(layer.floats), a(layer.texts), a(layer.rounded_to);
}
static void archive(Archive& a, TensorInfo& info) { a(info.name), a(info.type), a(info.shape); }
static void archive(Archive& a, Constant& constant) { a(constant.shape), a(constant.bytes); }
static void archive(Archive& a, Graph& graph) {
  a(graph.name), a(graph.tensors), a(graph.constants), a(graph.layers), a(graph.inputs), a(graph.outputs), a(graph.shape_inputs);
}

void write_graph(std::string& bytes, const Graph& graph) {
  Graph copy = graph;
  Archive archive = Archive::writing(bytes);
  archive(copy);
}

Graph read_graph(const std::string& bytes, size_t& position) {
  Graph graph;
  Archive archive = Archive::reading(bytes, position);
  archive(graph);
  position = archive.position();
  return graph;
}

}  // namespace fake_nvinfer
