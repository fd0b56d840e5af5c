#include "inference.h"

namespace fake_nvinfer {

Inference::Inference(std::shared_ptr<const Graph> graph, Inputs inputs)
    : graph_(std::move(graph)), inputs_(std::move(inputs)), states_(graph_->tensors.size()) {
  for (const auto& [tensor, constant] : graph_->constants) {
    TensorState& state = states_[static_cast<size_t>(tensor)];
    state.shape = constant.shape;
    // Shares the graph's ownership: weights are not copied.
    state.value = std::shared_ptr<const std::string>(graph_, &constant.bytes);
  }
  for (const auto& [tensor, shape] : inputs_.shapes) states_[static_cast<size_t>(tensor)].shape = shape;
  for (const auto& [tensor, value] : inputs_.values) states_[static_cast<size_t>(tensor)].value = std::make_shared<std::string>(value);
  infer(0);
}

void Inference::infer(size_t first) {
  for (size_t i = first; i < graph_->layers.size(); i++) {
    const Layer& layer = graph_->layers[i];
    try {
      infer_layer(layer);
    } catch (const std::runtime_error& error) {
      throw std::runtime_error(layer.name + ": " + error.what());
    }
  }
}

void Inference::infer_layer(const Layer& layer) {
  const Operator& op = *find_operator(layer.op);
  Operands operands;
  Views views;
  bool known = !op.data_dependent, depends = op.data_dependent;
  for (const int input : layer.inputs) {
    if (input < 0) {
      operands.emplace_back();
      views.emplace_back();
      continue;
    }
    const TensorState& s = state(input);
    const DataType type = graph_->tensors[static_cast<size_t>(input)].type;
    operands.push_back({type, s.shape, s.value.get()});
    views.push_back({type, s.shape, s.value ? const_cast<char*>(s.value->data()) : nullptr});
    known = known && s.value && s.value->size() == bytes_of(type, s.shape);
    depends = depends || s.data_dependent;
  }
  // The values of what only its shape is asked for do not matter.
  if (layer.op == "Shape") known = !depends;
  const std::vector<Shape> shapes = op.shapes(layer, operands);
  for (size_t i = 0; i < layer.outputs.size(); i++) {
    TensorState& result = states_[static_cast<size_t>(layer.outputs[i])];
    result = {shapes.at(i), nullptr, depends};
  }
  data_dependent_ = data_dependent_ || depends;
  if (!known) return;
  Views results;
  std::vector<std::shared_ptr<std::string>> values;
  for (const int output : layer.outputs) {
    const DataType type = graph_->tensors[static_cast<size_t>(output)].type;
    values.push_back(std::make_shared<std::string>(bytes_of(type, state(output).shape), 0));
    results.push_back({type, state(output).shape, values.back()->data()});
  }
  op.run(layer, views, results);
  for (size_t i = 0; i < values.size(); i++) states_[static_cast<size_t>(layer.outputs[i])].value = values[i];
}

void Inference::resolve(size_t layer, int64_t count) {
  TensorState& result = states_[static_cast<size_t>(graph_->layers[layer].outputs[0])];
  result.shape.back() = count;
  result.data_dependent = false;
  infer(layer + 1);
}

bool Inference::is_activation(int tensor) const {
  return !graph_->is_input(tensor) && !graph_->is_output(tensor) && !state(tensor).value;
}

size_t Inference::activation_bytes() const {
  size_t bytes = 0;
  for (const Layer& layer : graph_->layers)
    for (const int output : layer.outputs)
      if (is_activation(output)) bytes += aligned(bytes_of(graph_->tensors[static_cast<size_t>(output)].type, state(output).shape));
  return bytes;
}

std::set<int> find_shape_inputs(const Graph& graph) {
  // Backwards from operands whose values shapes need, up to where only a shape is asked for.
  std::set<int> needed;
  for (size_t i = graph.layers.size(); i-- > 0;) {
    const Layer& layer = graph.layers[i];
    const Operator& op = *find_operator(layer.op);
    for (const size_t operand : op.shape_operands)
      if (operand < layer.inputs.size() && layer.inputs[operand] >= 0) needed.insert(layer.inputs[operand]);
    bool is_needed = false;
    for (const int output : layer.outputs) is_needed = is_needed || needed.count(output);
    if (!is_needed || layer.op == "Shape") continue;
    for (const int input : layer.inputs)
      if (input >= 0) needed.insert(input);
  }
  std::set<int> inputs;
  for (const int input : graph.inputs)
    if (needed.count(input)) inputs.insert(input);
  return inputs;
}

}  // namespace fake_nvinfer
