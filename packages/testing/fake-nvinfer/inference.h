// Shapes of all tensors of a network for given inputs, and values where they follow from constants and shapes alone.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operators.h"

namespace fake_nvinfer {

struct TensorState {
  Shape shape;
  /** Elements, where they are known before the network runs. */
  std::shared_ptr<const std::string> value;
  /** How many elements there are depends on values: the shape is an upper bound until they are counted. */
  bool data_dependent = false;
};

struct Inputs {
  std::map<int, Shape> shapes;
  /** Of shape inputs. */
  std::map<int, std::string> values;
  bool operator==(const Inputs& other) const { return shapes == other.shapes && values == other.values; }
};

class Inference {
 public:
  /** Throws std::runtime_error, with the layer's name, for shapes that do not fit together. */
  Inference(std::shared_ptr<const Graph> graph, Inputs inputs);

  const Graph& graph() const { return *graph_; }
  const Inputs& inputs() const { return inputs_; }
  const TensorState& state(int tensor) const { return states_[static_cast<size_t>(tensor)]; }
  /** Does the layer run? Not where its results are known already. */
  bool runs(const Layer& layer) const { return !state(layer.outputs[0]).value; }
  bool is_data_dependent() const { return data_dependent_; }
  /** The layer's results as they turned out: sets the last dimension of the first one, and infers everything behind it anew. */
  void resolve(size_t layer, int64_t count);
  /** Bytes of the tensors that are neither inputs nor outputs nor known, each rounded up to 256. */
  size_t activation_bytes() const;
  bool is_activation(int tensor) const;

 private:
  std::shared_ptr<const Graph> graph_;
  Inputs inputs_;
  std::vector<TensorState> states_;
  bool data_dependent_ = false;

  void infer(size_t first);
  void infer_layer(const Layer& layer);
};

constexpr size_t activation_alignment = 256;
inline size_t aligned(size_t bytes) { return (bytes + activation_alignment - 1) / activation_alignment * activation_alignment; }

/** Inputs of the network that decide about shapes by their values. */
std::set<int> find_shape_inputs(const Graph& graph);

}  // namespace fake_nvinfer
