#include <algorithm>
#include <cstring>

#include "inference.h"
#include "parser.h"

namespace fake_nvinfer {
namespace {

/** Names that ONNX gives an attribute and that layers know it by. */
void add_attribute(Layer& layer, const onnx::Attribute& attribute) {
  if (attribute.name == "to") {
    layer.ints["to_type"] = {static_cast<int64_t>(onnx::type_of(attribute.i))};
    return;
  }
  if (!attribute.ints.empty()) layer.ints[attribute.name] = attribute.ints;
  else if (!attribute.floats.empty()) layer.floats[attribute.name] = attribute.floats;
  else if (!attribute.s.empty()) layer.texts[attribute.name] = attribute.s;
  else if (attribute.f != 0) layer.floats[attribute.name] = {attribute.f};
  else {
    // One of them is what was meant: both are zero where the attribute is.
    layer.ints[attribute.name] = {attribute.i};
    layer.floats[attribute.name] = {attribute.f};
  }
}

ParserError error_of(const onnx::Node& node, size_t index, ParserCode code, const std::string& description) {
  return {code, description, node.name, node.op, static_cast<int>(index)};
}

/** TensorRT takes no double: such constants become float. */
std::string narrowed(const std::string& doubles) {
  std::string floats(doubles.size() / 2, 0);
  for (size_t i = 0; i < doubles.size() / 8; i++) {
    double value;
    std::memcpy(&value, doubles.data() + 8 * i, 8);
    const float narrow = static_cast<float>(value);
    std::memcpy(floats.data() + 4 * i, &narrow, 4);
  }
  return floats;
}

constexpr int64_t onnx_double = 11;

}  // namespace

std::vector<ParserError> Importer::check_node(size_t index) const {
  const onnx::Node& node = model_.nodes[index];
  const bool own = node.domain.empty() || node.domain == "ai.onnx";
  if (node.op == "Constant" && own) return {};
  const Operator* op = find_operator(node.op);
  // Plugins stand in domains of their own, or in none.
  if (!op || (!own && std::strncmp(op->kind, "PLUGIN", 6) != 0))
    return {error_of(node, index, ParserCode::unsupported_node, "no importer and no plugin for the operator " + node.op)};
  for (const auto& [name, attribute] : node.attributes)
    if (attribute.has_graph) return {error_of(node, index, ParserCode::unsupported_attribute, "the attribute " + name + " is a graph")};
  if (node.inputs.size() < op->inputs_min)
    return {error_of(node, index, ParserCode::invalid_node, node.op + " needs " + std::to_string(op->inputs_min) + " inputs")};
  return {};
}

int Importer::add_tensor(Graph& graph, const std::string& name, DataType type, Shape shape) {
  const int known = graph.find(name);
  if (known >= 0) throw OperatorError(ParserCode::invalid_graph, "two values are named " + name);
  graph.tensors.push_back({name, type, std::move(shape)});
  return static_cast<int>(graph.tensors.size()) - 1;
}

void Importer::add_constant(Graph& graph, const std::string& name, const onnx::Tensor& tensor) {
  std::string reason;
  std::optional<std::string> bytes = onnx::read_bytes(tensor, path_, reason);
  if (!bytes) throw OperatorError(ParserCode::invalid_graph, reason);
  DataType type = onnx::type_of(tensor.type);
  if (tensor.type == onnx_double) {
    bytes = narrowed(*bytes);
    type = DataType::float32;
  }
  if (!bytes_of(type)) throw OperatorError(ParserCode::unsupported_datatype, "the constant " + name + " is of a type that is not supported");
  if (bytes->size() != bytes_of(type, tensor.shape))
    throw OperatorError(ParserCode::invalid_graph, "the constant " + name + " of shape " + text_of(tensor.shape) + " has " +
                                                       std::to_string(bytes->size()) + " bytes");
  graph.constants[add_tensor(graph, name, type, tensor.shape)] = {tensor.shape, std::move(*bytes)};
}

void Importer::add_node(Graph& graph, size_t index) {
  const onnx::Node& node = model_.nodes[index];
  if (node.op == "Constant") {
    const auto value = node.attributes.find("value");
    if (value == node.attributes.end() || !value->second.t)
      throw OperatorError(ParserCode::unsupported_attribute, "only Constant with a tensor is supported");
    return add_constant(graph, node.outputs.at(0), *value->second.t);
  }
  Layer layer;
  layer.name = node.name.empty() ? "node_of_" + node.outputs.at(0) : node.name;
  layer.op = node.op;
  layer.ints["opset"] = {model_.opset};
  for (const auto& [name, attribute] : node.attributes) add_attribute(layer, attribute);
  std::vector<DataType> types;
  for (const std::string& name : node.inputs) {
    const int tensor = name.empty() ? -1 : graph.find(name);
    if (tensor < 0 && !name.empty()) throw OperatorError(ParserCode::invalid_graph, "the input " + name + " is not known");
    layer.inputs.push_back(tensor);
    types.push_back(tensor < 0 ? DataType::none : graph.tensors[static_cast<size_t>(tensor)].type);
  }
  // Symmetric quantisation only: zero points are constants that are zero.
  if ((node.op == "QuantizeLinear" || node.op == "DequantizeLinear") && layer.inputs.size() > 2 && layer.inputs[2] >= 0) {
    const auto zero = graph.constants.find(layer.inputs[2]);
    if (zero == graph.constants.end() || zero->second.bytes.find_first_not_of('\0') != std::string::npos)
      throw OperatorError(ParserCode::unsupported_node, "only symmetric quantization is supported: the zero point must be 0");
  }
  const std::vector<DataType> outputs = find_operator(node.op)->types(layer, types);
  for (size_t i = 0; i < node.outputs.size(); i++) {
    if (node.outputs[i].empty()) continue;
    if (i >= outputs.size()) throw OperatorError(ParserCode::unsupported_node, "output " + std::to_string(i) + " of " + node.op + " is not supported");
    layer.outputs.push_back(add_tensor(graph, node.outputs[i], outputs[i], {}));
  }
  graph.layers.push_back(std::move(layer));
}

/** Shapes as declared; where they are not, the rank is as it comes out and all sizes are open. */
void Importer::declare_outputs(Graph& graph) {
  for (const onnx::Value& output : model_.outputs) {
    const int tensor = graph.find(output.name);
    if (tensor < 0 || graph.is_input(tensor)) throw OperatorError(ParserCode::invalid_graph, "nothing computes the output " + output.name);
    graph.outputs.push_back(tensor);
    TensorInfo& info = graph.tensors[static_cast<size_t>(tensor)];
    const DataType declared = onnx::type_of(output.type);
    if (declared != DataType::none && declared != info.type)
      throw OperatorError(ParserCode::invalid_graph, "the output " + output.name + " is of type " + name_of(info.type));
    if (output.shape) info.shape = *output.shape;
  }
  bool complete = true;
  for (const onnx::Value& output : model_.outputs) complete = complete && output.shape;
  if (complete) return;
  Inputs inputs;
  for (const int input : graph.inputs) {
    inputs.shapes[input] = graph.tensors[static_cast<size_t>(input)].shape;
    for (int64_t& size : inputs.shapes[input])
      if (size < 0) size = 1;
  }
  try {
    const Inference inference(std::make_shared<Graph>(graph), inputs);
    for (const onnx::Value& output : model_.outputs) {
      if (output.shape) continue;
      const int tensor = graph.find(output.name);
      graph.tensors[static_cast<size_t>(tensor)].shape.assign(inference.state(tensor).shape.size(), -1);
    }
  } catch (const std::runtime_error& error) {
    throw OperatorError(ParserCode::unsupported_shape, std::string("the shapes of outputs cannot be had: ") + error.what());
  }
}

bool Importer::import(Graph& graph, std::vector<ParserError>& errors) {
  graph = {};
  graph.name = model_.name;
  try {
    for (const onnx::Tensor& initializer : model_.initializers) add_constant(graph, initializer.name, initializer);
    for (const onnx::Value& input : model_.inputs) {
      if (graph.find(input.name) >= 0) continue;
      const DataType type = onnx::type_of(input.type);
      if (!bytes_of(type)) throw OperatorError(ParserCode::unsupported_datatype, "the input " + input.name + " is of a type that is not supported");
      graph.inputs.push_back(add_tensor(graph, input.name, type, input.shape.value_or(Shape())));
    }
  } catch (const OperatorError& error) {
    errors.push_back({error.code, error.what(), "", "", -1});
    return false;
  }
  for (size_t i = 0; i < model_.nodes.size(); i++)
    for (const ParserError& error : check_node(i)) errors.push_back(error);
  if (!errors.empty()) return false;
  for (size_t i = 0; i < model_.nodes.size(); i++) {
    try {
      add_node(graph, i);
    } catch (const OperatorError& error) {
      errors.push_back(error_of(model_.nodes[i], i, error.code, error.what()));
      return false;
    }
  }
  try {
    declare_outputs(graph);
  } catch (const OperatorError& error) {
    errors.push_back({error.code, error.what(), "", "", -1});
    return false;
  }
  graph.shape_inputs = find_shape_inputs(graph);
  return true;
}

}  // namespace fake_nvinfer
