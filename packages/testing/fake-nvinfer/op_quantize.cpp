// Symmetric quantisation to INT8, the only one that TensorRT's parser takes.
#include <cmath>

#include "operators.h"

namespace fake_nvinfer {
namespace {

void check_int8(const Layer& layer, DataType type) {
  if (type != DataType::int8)
    throw OperatorError(ParserCode::unsupported_datatype, layer.op + " with type " + name_of(type) + ": only INT8 is supported");
}

/** The scale of element `index`: one, or one for each slice along the axis. */
class Scales {
 public:
  Scales(const Layer& layer, const Shape& shape, const View& view) : values_(floats_of(view)) {
    if (values_.size() == 1) return;
    const size_t axis = axis_of(layer.number("axis", 1), shape.size());
    inner_ = product(shape, axis + 1, shape.size());
  }
  float operator[](size_t index) const {
    return values_.size() == 1 ? values_[0] : values_[index / static_cast<size_t>(inner_) % values_.size()];
  }

 private:
  std::vector<float> values_;
  int64_t inner_ = 1;
};

std::vector<DataType> quantized_type(const Layer& layer, const std::vector<DataType>& types) {
  const DataType type = types.size() > 2 && types[2] != DataType::none ? types[2] : DataType::uint8;
  check_int8(layer, type);
  return {type};
}

std::vector<DataType> dequantized_type(const Layer& layer, const std::vector<DataType>& types) {
  check_int8(layer, types[0]);
  return {types[1]};
}

void quantize(const Layer& layer, const Views& in, const Views& out) {
  const Scales scales(layer, in[0].shape, in[1]);
  std::vector<float> values = floats_of(in[0]);
  for (size_t i = 0; i < values.size(); i++) values[i] = std::nearbyint(values[i] / scales[i]);
  store(out[0], values);
}

void dequantize(const Layer& layer, const Views& in, const Views& out) {
  const Scales scales(layer, in[0].shape, in[1]);
  std::vector<float> values = floats_of(in[0]);
  for (size_t i = 0; i < values.size(); i++) values[i] *= scales[i];
  store(out[0], values);
}

Operator with_scale(Operator op) {
  op.inputs_min = 2;
  return op;
}

const RegisteredOperator operators[] = {
    {{"QuantizeLinear"}, with_scale({"QUANTIZE", quantized_type, first_shape, quantize, {}})},
    {{"DequantizeLinear"}, with_scale({"DEQUANTIZE", dequantized_type, first_shape, dequantize, {}})},
};

}  // namespace
}  // namespace fake_nvinfer
