// Element by element, with one or two operands, and conversions between types.
#include <algorithm>
#include <cmath>

#include "operators.h"

namespace fake_nvinfer {
namespace {

using Floats = std::function<float(float, float)>;
using Integers = std::function<int64_t(int64_t, int64_t)>;

std::vector<DataType> same_types(const Layer& layer, const std::vector<DataType>& types) {
  if (types.size() < 2 || types[0] != types[1])
    throw OperatorError(ParserCode::invalid_node,
                        layer.op + " has inputs of types " + name_of(types[0]) + " and " + name_of(types.back()));
  return {types[0]};
}

/** Element of each operand that meets element `index` of the result. */
class Broadcast {
 public:
  Broadcast(const Shape& operand, const Shape& result) : result_(result), strides_(result.size(), 0) {
    int64_t stride = 1;
    for (size_t i = operand.size(); i-- > 0;) {
      if (operand[i] != 1) strides_[i + result.size() - operand.size()] = stride;
      stride *= operand[i];
    }
  }
  size_t operator()(int64_t index) const {
    int64_t offset = 0;
    for (size_t i = result_.size(); i-- > 0;) {
      offset += index % result_[i] * strides_[i];
      index /= result_[i];
    }
    return static_cast<size_t>(offset);
  }

 private:
  Shape result_;
  std::vector<int64_t> strides_;
};

template <class T, class F>
void combine(const F& function, const std::vector<T>& a, const std::vector<T>& b, const Views& in, const View& out) {
  std::vector<T> result(static_cast<size_t>(out.count()));
  if (in[0].shape == in[1].shape) {
    for (size_t i = 0; i < result.size(); i++) result[i] = function(a[i], b[i]);
  } else {
    const Broadcast from_a(in[0].shape, out.shape), from_b(in[1].shape, out.shape);
    for (size_t i = 0; i < result.size(); i++)
      result[i] = function(a[from_a(static_cast<int64_t>(i))], b[from_b(static_cast<int64_t>(i))]);
  }
  store(out, result);
}

Operator binary(const Floats& floats, const Integers& integers) {
  Operator op{"ELEMENTWISE", same_types, nullptr, nullptr, {}};
  op.inputs_min = 2;
  op.shapes = [](const Layer&, const Operands& in) -> std::vector<Shape> { return {broadcast(in[0].shape, in[1].shape)}; };
  op.run = [=](const Layer&, const Views& in, const Views& out) {
    if (is_float(out[0].type))
      combine(floats, floats_of(in[0]), floats_of(in[1]), in, out[0]);
    else
      combine(integers, integers_of(in[0]), integers_of(in[1]), in, out[0]);
  };
  return op;
}

Operator unary(const char* kind, const std::function<float(float)>& function) {
  Operator op{kind, nullptr, first_shape, nullptr, {}};
  op.types = [](const Layer& layer, const std::vector<DataType>& types) -> std::vector<DataType> {
    if (is_float(types[0]) || layer.op == "Relu") return {types[0]};
    throw OperatorError(ParserCode::unsupported_datatype, layer.op + " of type " + name_of(types[0]));
  };
  op.run = [=](const Layer&, const Views& in, const Views& out) {
    std::vector<float> values = floats_of(in[0]);
    for (float& value : values) value = function(value);
    store(out[0], values);
  };
  return op;
}

void clip(const Layer& layer, const Views& in, const Views& out) {
  const float infinity = INFINITY;
  const auto bound = [&](size_t i, const char* key, float otherwise) {
    return in.size() > i && in[i].exists() ? floats_of(in[i])[0] : layer.real(key, otherwise);
  };
  const float low = bound(1, "min", -infinity), high = bound(2, "max", infinity);
  std::vector<float> values = floats_of(in[0]);
  for (float& value : values) value = std::min(std::max(value, low), high);
  store(out[0], values);
}

DataType target_of(const Layer& layer) {
  const auto type = static_cast<DataType>(layer.number("to_type", -1));
  if (type == DataType::none || !bytes_of(type)) throw OperatorError(ParserCode::unsupported_datatype, "Cast to this type");
  return type;
}

void cast(const Layer&, const Views& in, const Views& out) {
  if (is_float(in[0].type)) store(out[0], floats_of(in[0]));
  else store(out[0], integers_of(in[0]));
}

void copy(const Layer&, const Views& in, const Views& out) { copy_elements(in[0], out[0]); }

int64_t divide(int64_t a, int64_t b) { return b ? a / b : 0; }

const RegisteredOperator operators[] = {
    {{"Add"}, binary(std::plus<float>(), std::plus<int64_t>())},
    {{"Sub"}, binary(std::minus<float>(), std::minus<int64_t>())},
    {{"Mul"}, binary(std::multiplies<float>(), std::multiplies<int64_t>())},
    {{"Div"}, binary(std::divides<float>(), divide)},
    {{"Relu"}, unary("ACTIVATION", [](float x) { return x < 0 ? 0 : x; })},
    {{"Sigmoid"}, unary("ACTIVATION", [](float x) { return 1 / (1 + std::exp(-x)); })},
    {{"Tanh"}, unary("ACTIVATION", [](float x) { return std::tanh(x); })},
    {{"Exp"}, unary("UNARY", [](float x) { return std::exp(x); })},
    {{"Sqrt"}, unary("UNARY", [](float x) { return std::sqrt(x); })},
    {{"Clip"}, {"ACTIVATION", first_type, first_shape, clip, {}}},
    {{"Identity", "Dropout"}, {"IDENTITY", first_type, first_shape, copy, {}}},
    {{"Cast"},
     {"CAST", [](const Layer& layer, const std::vector<DataType>&) -> std::vector<DataType> { return {target_of(layer)}; },
      first_shape, cast, {}}},
};

}  // namespace
}  // namespace fake_nvinfer
