#include "network.h"

#include "builder.h"
#include "callbacks.h"
#include "inference.h"

namespace fake_nvinfer {
namespace {

const TensorInfo& info_of(const NetworkTensor& self) { return self.network->graph.tensors[static_cast<size_t>(self.index)]; }
const Layer& layer_of(const NetworkLayer& self) { return self.network->graph.layers[self.index]; }

int at(const std::vector<int>& tensors, int32_t index) {
  return index >= 0 && static_cast<size_t>(index) < tensors.size() ? tensors[static_cast<size_t>(index)] : -1;
}

}  // namespace

Network::~Network() {
  if (builder) builder->children--;
  destroy_all(tensors);
  destroy_all(layers);
}

void* Network::tensor(int index) {
  if (index < 0) return nullptr;
  for (const NetworkTensor* known : tensors)
    if (known->index == index) return handle_of(*known);
  auto* made = make<NetworkTensor>();
  made->network = this;
  made->index = index;
  tensors.push_back(made);
  return handle_of(*made);
}

FAKE_METHOD(NetworkDefinition, getNbLayers, int32_t, (Network & self)) { return static_cast<int32_t>(self.graph.layers.size()); }
FAKE_METHOD(NetworkDefinition, getLayer, void*, (Network & self, int32_t index)) {
  if (index < 0 || static_cast<size_t>(index) >= self.graph.layers.size()) return nullptr;
  for (const NetworkLayer* known : self.layers)
    if (known->index == static_cast<size_t>(index)) return handle_of(*known);
  auto* made = make<NetworkLayer>();
  made->network = &self;
  made->index = static_cast<size_t>(index);
  self.layers.push_back(made);
  return handle_of(*made);
}
FAKE_METHOD(NetworkDefinition, getNbInputs, int32_t, (Network & self)) { return static_cast<int32_t>(self.graph.inputs.size()); }
FAKE_METHOD(NetworkDefinition, getInput, void*, (Network & self, int32_t index)) { return self.tensor(at(self.graph.inputs, index)); }
FAKE_METHOD(NetworkDefinition, getNbOutputs, int32_t, (Network & self)) { return static_cast<int32_t>(self.graph.outputs.size()); }
FAKE_METHOD(NetworkDefinition, getOutput, void*, (Network & self, int32_t index)) { return self.tensor(at(self.graph.outputs, index)); }
FAKE_METHOD(NetworkDefinition, setName, void, (Network & self, const char* name)) { self.graph.name = name; }
FAKE_METHOD(NetworkDefinition, getName, const char*, (Network & self)) { return self.graph.name.c_str(); }
FAKE_METHOD(NetworkDefinition, getFlags, uint32_t, (Network & self)) { return self.flags; }
FAKE_METHOD(NetworkDefinition, getFlag, bool, (Network & self, int32_t flag)) { return self.flags >> flag & 1; }
FAKE_METHOD(NetworkDefinition, markWeightsRefittable, bool, (Network & self, const char* name)) {
  const int tensor = name ? self.graph.find(name) : -1;
  if (tensor < 0 || !is_weights(self.graph, tensor)) {
    report(self, ErrorCode::invalid_argument, "NetworkDefinition.markWeightsRefittable", std::string("there are no weights ") + (name ? name : "null"));
    return false;
  }
  self.marked_refittable.insert(name);
  return true;
}
FAKE_METHOD(NetworkDefinition, unmarkWeightsRefittable, bool, (Network & self, const char* name)) {
  return name && self.marked_refittable.erase(name) != 0;
}
FAKE_METHOD(NetworkDefinition, areWeightsMarkedRefittable, bool, (Network & self, const char* name)) {
  return name && self.marked_refittable.count(name) != 0;
}
FAKE_METHOD(NetworkDefinition, getBuilder, void*, (Network & self)) { return handle_of(*self.builder); }
FAKE_METHOD(NetworkDefinition, hasImplicitBatchDimension, bool, (Network&)) { return false; }
FAKE_METHOD(NetworkDefinition, setErrorRecorder, void, (Network & self, void* recorder)) { set_recorder(self, recorder); }
FAKE_METHOD(NetworkDefinition, getErrorRecorder, void*, (Network & self)) { return self.recorder; }

FAKE_METHOD(Tensor, setName, void, (NetworkTensor & self, const char* name)) {
  self.network->graph.tensors[static_cast<size_t>(self.index)].name = name;
}
FAKE_METHOD(Tensor, getName, const char*, (NetworkTensor & self)) { return info_of(self).name.c_str(); }
FAKE_METHOD(Tensor, getDimensions, Dims, (NetworkTensor & self)) { return to_dims(info_of(self).shape); }
FAKE_METHOD(Tensor, getType, DataType, (NetworkTensor & self)) { return info_of(self).type; }
FAKE_METHOD(Tensor, isNetworkInput, bool, (NetworkTensor & self)) { return self.network->graph.is_input(self.index); }
FAKE_METHOD(Tensor, isNetworkOutput, bool, (NetworkTensor & self)) { return self.network->graph.is_output(self.index); }
FAKE_METHOD(Tensor, isShapeTensor, bool, (NetworkTensor & self)) { return self.network->graph.shape_inputs.count(self.index) != 0; }
FAKE_METHOD(Tensor, isExecutionTensor, bool, (NetworkTensor & self)) { return !self.network->graph.shape_inputs.count(self.index); }
FAKE_METHOD(Tensor, getLocation, Location, (NetworkTensor & self)) {
  return self.network->graph.shape_inputs.count(self.index) ? Location::host : Location::device;
}
/** Only linear layouts. */
FAKE_METHOD(Tensor, getAllowedFormats, uint32_t, (NetworkTensor&)) { return 1; }

FAKE_METHOD(Layer, getName, const char*, (NetworkLayer & self)) { return layer_of(self).name.c_str(); }
FAKE_METHOD(Layer, getType, int32_t, (NetworkLayer & self)) {
  return enumerator("LayerType", find_operator(layer_of(self).op)->kind).value_or(-1);
}
FAKE_METHOD(Layer, getNbInputs, int32_t, (NetworkLayer & self)) { return static_cast<int32_t>(layer_of(self).inputs.size()); }
FAKE_METHOD(Layer, getInput, void*, (NetworkLayer & self, int32_t index)) { return self.network->tensor(at(layer_of(self).inputs, index)); }
FAKE_METHOD(Layer, getNbOutputs, int32_t, (NetworkLayer & self)) { return static_cast<int32_t>(layer_of(self).outputs.size()); }
FAKE_METHOD(Layer, getOutput, void*, (NetworkLayer & self, int32_t index)) { return self.network->tensor(at(layer_of(self).outputs, index)); }

}  // namespace fake_nvinfer
