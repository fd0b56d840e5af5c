// Softmax, means, batch normalisation.
#include <algorithm>
#include <cmath>

#include "operators.h"

namespace fake_nvinfer {
namespace {

std::vector<DataType> float_type(const Layer& layer, const std::vector<DataType>& types) {
  if (!is_float(types[0])) throw OperatorError(ParserCode::unsupported_datatype, layer.op + " of type " + name_of(types[0]));
  return {types[0]};
}

void softmax(const Layer& layer, const Views& in, const Views& out) {
  const Shape& shape = in[0].shape;
  // Before opset 13 everything from the axis on is one row.
  const bool flat = layer.number("opset", 13) < 13;
  const size_t axis = axis_of(layer.number("axis", flat ? 1 : -1), shape.size());
  const int64_t outer = product(shape, 0, axis), size = flat ? product(shape, axis, shape.size()) : shape[axis];
  const int64_t inner = flat ? 1 : product(shape, axis + 1, shape.size());
  std::vector<float> values = floats_of(in[0]);
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < inner; i++) {
      float* row = values.data() + o * size * inner + i;
      float largest = -INFINITY, sum = 0;
      for (int64_t k = 0; k < size; k++) largest = std::max(largest, row[k * inner]);
      for (int64_t k = 0; k < size; k++) sum += row[k * inner] = std::exp(row[k * inner] - largest);
      for (int64_t k = 0; k < size; k++) row[k * inner] /= sum;
    }
  store(out[0], values);
}

std::vector<int64_t> axes_of(const Layer& layer, const Shape& shape, const std::vector<int64_t>& given) {
  std::vector<int64_t> axes;
  if (layer.op == "GlobalAveragePool")
    for (size_t i = 2; i < shape.size(); i++) axes.push_back(static_cast<int64_t>(i));
  else if (!given.empty())
    axes = given;
  else
    axes = layer.numbers("axes", {});
  if (axes.empty() && !layer.number("noop_with_empty_axes", 0))
    for (size_t i = 0; i < shape.size(); i++) axes.push_back(static_cast<int64_t>(i));
  return axes;
}

/** The shape with 1 in the dimensions that are averaged. */
Shape kept_shape(const Shape& shape, const std::vector<int64_t>& axes) {
  Shape kept = shape;
  for (const int64_t axis : axes) kept[axis_of(axis, shape.size())] = 1;
  return kept;
}

std::vector<Shape> mean_shapes(const Layer& layer, const Operands& in) {
  const std::vector<int64_t> given = in.size() > 1 && in[1].exists() ? integers_of(in[1], "axes") : std::vector<int64_t>();
  const std::vector<int64_t> axes = axes_of(layer, in[0].shape, given);
  Shape shape = kept_shape(in[0].shape, axes);
  if (layer.op == "GlobalAveragePool" || layer.number("keepdims", 1)) return {shape};
  Shape rest;
  std::vector<bool> goes(shape.size());
  for (const int64_t axis : axes) goes[axis_of(axis, shape.size())] = true;
  for (size_t i = 0; i < shape.size(); i++)
    if (!goes[i]) rest.push_back(shape[i]);
  return {rest};
}

void mean(const Layer& layer, const Views& in, const Views& out) {
  const Shape& shape = in[0].shape;
  const std::vector<int64_t> given = in.size() > 1 && in[1].exists() ? integers_of(in[1]) : std::vector<int64_t>();
  const Shape kept = kept_shape(shape, axes_of(layer, shape, given));
  const std::vector<float> x = floats_of(in[0]);
  std::vector<float> y(static_cast<size_t>(volume(kept)));
  for (size_t i = 0; i < x.size(); i++) {
    int64_t rest = static_cast<int64_t>(i), offset = 0, stride = 1;
    for (size_t d = shape.size(); d-- > 0; rest /= shape[d]) {
      if (kept[d] != 1) offset += rest % shape[d] * stride;
      stride *= kept[d];
    }
    y[static_cast<size_t>(offset)] += x[i];
  }
  for (float& value : y) value /= static_cast<float>(x.size()) / static_cast<float>(y.size());
  store(out[0], y);
}

void normalize(const Layer& layer, const Views& in, const Views& out) {
  const std::vector<float> scale = floats_of(in[1]), bias = floats_of(in[2]), mean = floats_of(in[3]), variance = floats_of(in[4]);
  const float epsilon = layer.real("epsilon", 1e-5f);
  const Shape& shape = in[0].shape;
  const int64_t inner = product(shape, 2, shape.size());
  std::vector<float> values = floats_of(in[0]);
  for (size_t i = 0; i < values.size(); i++) {
    const size_t channel = static_cast<size_t>(static_cast<int64_t>(i) / inner % shape[1]);
    values[i] = (values[i] - mean[channel]) / std::sqrt(variance[channel] + epsilon) * scale[channel] + bias[channel];
  }
  store(out[0], values);
}

Operator normalization() {
  Operator op{"SCALE", float_type, first_shape, normalize, {}};
  op.inputs_min = 5;
  return op;
}

const RegisteredOperator operators[] = {
    {{"Softmax"}, {"SOFTMAX", float_type, first_shape, softmax, {}}},
    {{"ReduceMean"}, {"REDUCE", float_type, mean_shapes, mean, {1}}},
    {{"GlobalAveragePool"}, {"REDUCE", float_type, mean_shapes, mean, {}}},
    {{"BatchNormalization"}, normalization()},
};

}  // namespace
}  // namespace fake_nvinfer
