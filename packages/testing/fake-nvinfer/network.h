// A network and what its caller sees of it.
#pragma once
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "graph.h"
#include "object.h"

namespace fake_nvinfer {

struct Builder;

struct NetworkTensor : Body {
  static constexpr Class type = Class::Tensor;
  struct Network* network = nullptr;
  int index = 0;
};

struct NetworkLayer : Body {
  static constexpr Class type = Class::Layer;
  struct Network* network = nullptr;
  size_t index = 0;
};

struct Network : Body {
  static constexpr Class type = Class::NetworkDefinition;
  Weak<Builder> builder;
  uint32_t flags = 0;
  bool strongly_typed = false;
  Graph graph;
  /** Names of weights; only asked for with REFIT_INDIVIDUAL. */
  std::set<std::string> marked_refittable;
  /** The parser that filled it: owns the weights, so that it has to live until the engine is built. */
  Weak<Body> parser;
  std::vector<NetworkTensor*> tensors;
  std::vector<NetworkLayer*> layers;
  ~Network() override;
  /** What the caller gets of a tensor; null for -1. */
  void* tensor(int index);
};

}  // namespace fake_nvinfer
