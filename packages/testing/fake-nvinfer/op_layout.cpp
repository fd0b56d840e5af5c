// What moves elements or only renames their dimensions.
#include <algorithm>
#include <cstring>
#include <utility>

#include "operators.h"

namespace fake_nvinfer {
namespace {

void copy(const Layer&, const Views& in, const Views& out) { copy_elements(in[0], out[0]); }

std::vector<Shape> reshape(const Layer& layer, const Operands& in) {
  Shape shape = integers_of(in[1], "the shape of Reshape");
  int64_t known = 1, open = -1;
  for (size_t i = 0; i < shape.size(); i++) {
    if (shape[i] == 0 && !layer.number("allowzero", 0)) {
      if (i >= in[0].shape.size()) throw std::runtime_error("Reshape copies a dimension that is not there");
      shape[i] = in[0].shape[i];
    }
    if (shape[i] == -1 && open < 0) open = static_cast<int64_t>(i);
    else known *= shape[i];
  }
  const int64_t count = volume(in[0].shape);
  if (open >= 0) shape[static_cast<size_t>(open)] = known ? count / known : 0;
  if (volume(shape) != count) throw std::runtime_error("Reshape of " + text_of(in[0].shape) + " to " + text_of(shape));
  return {shape};
}

std::vector<Shape> flatten(const Layer& layer, const Operands& in) {
  const Shape& shape = in[0].shape;
  const int64_t axis = layer.number("axis", 1);
  const size_t first = axis == static_cast<int64_t>(shape.size()) ? shape.size() : axis_of(axis, shape.size());
  return {{product(shape, 0, first), product(shape, first, shape.size())}};
}

/** From the attribute, or since opset 13 from the second input. */
std::vector<int64_t> axes_of(const Layer& layer, const Operands& in) {
  if (in.size() > 1 && in[1].exists()) return integers_of(in[1], "axes");
  return layer.numbers("axes", {});
}

std::vector<Shape> unsqueeze(const Layer& layer, const Operands& in) {
  const std::vector<int64_t> axes = axes_of(layer, in);
  const size_t rank = in[0].shape.size() + axes.size();
  std::vector<bool> is_new(rank);
  for (const int64_t axis : axes) is_new[axis_of(axis, rank)] = true;
  Shape shape;
  size_t next = 0;
  for (size_t i = 0; i < rank; i++) shape.push_back(is_new[i] ? 1 : in[0].shape.at(next++));
  return {shape};
}

std::vector<Shape> squeeze(const Layer& layer, const Operands& in) {
  const std::vector<int64_t> axes = axes_of(layer, in);
  std::vector<bool> goes(in[0].shape.size());
  for (const int64_t axis : axes) goes[axis_of(axis, goes.size())] = true;
  Shape shape;
  for (size_t i = 0; i < goes.size(); i++) {
    if (axes.empty() ? in[0].shape[i] == 1 : goes[i]) continue;
    shape.push_back(in[0].shape[i]);
  }
  return {shape};
}

std::vector<int64_t> permutation_of(const Layer& layer, size_t rank) {
  std::vector<int64_t> reversed;
  for (size_t i = rank; i-- > 0;) reversed.push_back(static_cast<int64_t>(i));
  const std::vector<int64_t> order = layer.numbers("perm", reversed);
  if (order.size() != rank) throw std::runtime_error("Transpose has an order of another rank");
  return order;
}

std::vector<Shape> transpose_shapes(const Layer& layer, const Operands& in) {
  Shape shape;
  for (const int64_t axis : permutation_of(layer, in[0].shape.size())) shape.push_back(in[0].shape[axis_of(axis, in[0].shape.size())]);
  return {shape};
}

/** Copies the element at `offset + sum(index * stride)` of the source to every index of the result. */
void gather_strided(const View& from, const View& to, int64_t offset, const std::vector<int64_t>& strides) {
  const size_t bytes = bytes_of(to.type), rank = to.shape.size();
  const auto* source = static_cast<const char*>(from.data);
  auto* target = static_cast<char*>(to.data);
  std::vector<int64_t> index(rank);
  for (int64_t i = 0; i < to.count(); i++) {
    int64_t at = offset;
    for (size_t d = 0; d < rank; d++) at += index[d] * strides[d];
    std::memcpy(target + i * static_cast<int64_t>(bytes), source + at * static_cast<int64_t>(bytes), bytes);
    for (size_t d = rank; d-- > 0 && ++index[d] == to.shape[d];) index[d] = 0;
  }
}

std::vector<int64_t> strides_of(const Shape& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

void transpose(const Layer& layer, const Views& in, const Views& out) {
  const std::vector<int64_t> strides = strides_of(in[0].shape);
  std::vector<int64_t> permuted;
  for (const int64_t axis : permutation_of(layer, in[0].shape.size())) permuted.push_back(strides[axis_of(axis, strides.size())]);
  gather_strided(in[0], out[0], 0, permuted);
}

/** starts, ends, axes, steps of the sliced dimensions, made absolute. */
struct Slice {
  std::vector<int64_t> start, step;
  Shape shape;
};

Slice slice_of(const Layer& layer, const Operands& in) {
  const auto input = [&](size_t i, const char* key, std::vector<int64_t> otherwise) {
    return in.size() > i && in[i].exists() ? integers_of(in[i], key) : layer.numbers(key, std::move(otherwise));
  };
  const std::vector<int64_t> starts = input(1, "starts", {}), ends = input(2, "ends", {});
  std::vector<int64_t> every(starts.size());
  for (size_t i = 0; i < every.size(); i++) every[i] = static_cast<int64_t>(i);
  const std::vector<int64_t> axes = input(3, "axes", every), steps = input(4, "steps", std::vector<int64_t>(starts.size(), 1));
  Slice slice{std::vector<int64_t>(in[0].shape.size(), 0), std::vector<int64_t>(in[0].shape.size(), 1), in[0].shape};
  for (size_t i = 0; i < starts.size(); i++) {
    const size_t axis = axis_of(axes.at(i), in[0].shape.size());
    const int64_t size = in[0].shape[axis], step = steps.at(i);
    if (!step) throw std::runtime_error("Slice with a step of 0");
    const auto absolute = [&](int64_t at, int64_t low, int64_t high) { return std::clamp(at < 0 ? at + size : at, low, high); };
    const int64_t start = step > 0 ? absolute(starts[i], 0, size) : absolute(starts[i], 0, size - 1);
    const int64_t end = step > 0 ? absolute(ends.at(i), 0, size) : absolute(ends.at(i), -1, size - 1);
    slice.start[axis] = start;
    slice.step[axis] = step;
    slice.shape[axis] = std::max<int64_t>(0, (end - start + step + (step > 0 ? -1 : 1)) / step);
  }
  return slice;
}

Operands operands_of(const Views& in, std::vector<std::string>& bytes) {
  Operands operands;
  bytes.resize(in.size());
  for (size_t i = 0; i < in.size(); i++) {
    if (i && in[i].exists()) bytes[i].assign(static_cast<const char*>(in[i].data), bytes_of(in[i].type, in[i].shape));
    operands.push_back({in[i].type, in[i].shape, i ? &bytes[i] : nullptr});
  }
  return operands;
}

void slice(const Layer& layer, const Views& in, const Views& out) {
  std::vector<std::string> bytes;
  const Slice slice = slice_of(layer, operands_of(in, bytes));
  std::vector<int64_t> strides = strides_of(in[0].shape);
  int64_t offset = 0;
  for (size_t i = 0; i < strides.size(); i++) {
    offset += slice.start[i] * strides[i];
    strides[i] *= slice.step[i];
  }
  gather_strided(in[0], out[0], offset, strides);
}

/** Before and behind each dimension, from the attribute or since opset 11 from the second input. */
std::vector<int64_t> pads_of(const Layer& layer, const Operands& in) {
  const std::vector<int64_t> pads = in.size() > 1 && in[1].exists() ? integers_of(in[1], "pads") : layer.numbers("pads", {});
  if (pads.size() != 2 * in[0].shape.size()) throw std::runtime_error("Pad needs two sizes for each dimension");
  return pads;
}

std::vector<Shape> pad_shapes(const Layer& layer, const Operands& in) {
  const std::vector<int64_t> pads = pads_of(layer, in);
  Shape shape = in[0].shape;
  for (size_t d = 0; d < shape.size(); d++) shape[d] += pads[d] + pads[d + shape.size()];
  return {shape};
}

std::vector<DataType> pad_type(const Layer& layer, const std::vector<DataType>& types) {
  if (layer.text("mode", "constant") != "constant") throw OperatorError(ParserCode::unsupported_attribute, "Pad can only be constant");
  return {types[0]};
}

void pad(const Layer& layer, const Views& in, const Views& out) {
  std::vector<std::string> bytes;
  const std::vector<int64_t> pads = pads_of(layer, operands_of(in, bytes));
  const size_t rank = out[0].shape.size(), size = bytes_of(out[0].type);
  const std::vector<int64_t> strides = strides_of(in[0].shape);
  const std::string zero(size, 0);
  const char* value = in.size() > 2 && in[2].exists() ? static_cast<const char*>(in[2].data) : zero.data();
  std::vector<int64_t> index(rank);
  for (int64_t i = 0; i < out[0].count(); i++) {
    int64_t at = 0;
    bool inside = true;
    for (size_t d = 0; d < rank; d++) {
      const int64_t from = index[d] - pads[d];
      inside = inside && from >= 0 && from < in[0].shape[d];
      at += from * strides[d];
    }
    const char* source = inside ? static_cast<const char*>(in[0].data) + at * static_cast<int64_t>(size) : value;
    std::memcpy(static_cast<char*>(out[0].data) + i * static_cast<int64_t>(size), source, size);
    for (size_t d = rank; d-- > 0 && ++index[d] == out[0].shape[d];) index[d] = 0;
  }
}

std::vector<Shape> concat_shapes(const Layer& layer, const Operands& in) {
  Shape shape = in[0].shape;
  const size_t axis = axis_of(layer.number("axis", 0), shape.size());
  for (size_t i = 1; i < in.size(); i++) {
    Shape other = in[i].shape;
    if (other.size() != shape.size()) throw std::runtime_error("Concat of different ranks");
    const int64_t size = std::exchange(other[axis], shape[axis]);
    if (other != shape) throw std::runtime_error("Concat of " + text_of(shape) + " and " + text_of(in[i].shape));
    shape[axis] += size;
  }
  return {shape};
}

void concat(const Layer& layer, const Views& in, const Views& out) {
  const Shape& shape = out[0].shape;
  const size_t axis = axis_of(layer.number("axis", 0), shape.size());
  const int64_t outer = product(shape, 0, axis), bytes = static_cast<int64_t>(bytes_of(out[0].type));
  auto* target = static_cast<char*>(out[0].data);
  for (int64_t i = 0; i < outer; i++)
    for (const View& part : in) {
      const int64_t run = product(part.shape, axis, part.shape.size()) * bytes;
      std::memcpy(target, static_cast<const char*>(part.data) + i * run, static_cast<size_t>(run));
      target += run;
    }
}

std::vector<Shape> gather_shapes(const Layer& layer, const Operands& in) {
  const Shape& data = in[0].shape;
  const size_t axis = axis_of(layer.number("axis", 0), data.size());
  Shape shape(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(axis));
  shape.insert(shape.end(), in[1].shape.begin(), in[1].shape.end());
  shape.insert(shape.end(), data.begin() + static_cast<std::ptrdiff_t>(axis) + 1, data.end());
  return {shape};
}

/** An index out of range gives zeros, as TensorRT's gather does. */
void gather(const Layer& layer, const Views& in, const Views& out) {
  const Shape& data = in[0].shape;
  const size_t axis = axis_of(layer.number("axis", 0), data.size());
  const int64_t outer = product(data, 0, axis), size = data[axis];
  const int64_t run = product(data, axis + 1, data.size()) * static_cast<int64_t>(bytes_of(in[0].type));
  const std::vector<int64_t> indices = integers_of(in[1]);
  auto* target = static_cast<char*>(out[0].data);
  for (int64_t i = 0; i < outer; i++)
    for (const int64_t index : indices) {
      const int64_t at = index < 0 ? index + size : index;
      if (at < 0 || at >= size) std::memset(target, 0, static_cast<size_t>(run));
      else std::memcpy(target, static_cast<const char*>(in[0].data) + (i * size + at) * run, static_cast<size_t>(run));
      target += run;
    }
}

std::vector<DataType> int64_type(const Layer&, const std::vector<DataType>&) { return {DataType::int64}; }

std::vector<Shape> shape_shapes(const Layer&, const Operands& in) { return {{static_cast<int64_t>(in[0].shape.size())}}; }
void shape(const Layer&, const Views& in, const Views& out) { store(out[0], in[0].shape); }

std::vector<Shape> non_zero_shapes(const Layer&, const Operands& in) {
  return {{static_cast<int64_t>(in[0].shape.size()), volume(in[0].shape)}};
}

/** The result is [rank, count] with the count that there is. */
void non_zero(const Layer&, const Views& in, const Views& out) {
  const std::vector<float> values = floats_of(in[0]);
  const size_t rank = in[0].shape.size();
  const size_t count = rank ? static_cast<size_t>(out[0].shape[1]) : 0;
  std::vector<int64_t> indices(rank * count);
  size_t found = 0;
  for (size_t i = 0; i < values.size() && found < count; i++) {
    if (values[i] == 0) continue;
    int64_t rest = static_cast<int64_t>(i);
    for (size_t d = rank; d-- > 0; rest /= in[0].shape[d]) indices[d * count + found] = rest % in[0].shape[d];
    found++;
  }
  store(out[0], indices);
}

Operator non_zero_operator() {
  Operator op{"NON_ZERO", int64_type, non_zero_shapes, non_zero, {}};
  op.data_dependent = true;
  return op;
}

Operator with_inputs(size_t count, Operator op) {
  op.inputs_min = count;
  return op;
}

const RegisteredOperator operators[] = {
    {{"Reshape"}, with_inputs(2, {"SHUFFLE", first_type, reshape, copy, {1}})},
    {{"Flatten"}, {"SHUFFLE", first_type, flatten, copy, {}}},
    {{"Unsqueeze"}, {"SHUFFLE", first_type, unsqueeze, copy, {1}}},
    {{"Squeeze"}, {"SHUFFLE", first_type, squeeze, copy, {1}}},
    {{"Transpose"}, {"SHUFFLE", first_type, transpose_shapes, transpose, {}}},
    {{"Slice"},
     {"SLICE", first_type,
      [](const Layer& layer, const Operands& in) -> std::vector<Shape> { return {slice_of(layer, in).shape}; }, slice, {1, 2, 3, 4}}},
    {{"Pad"}, {"SLICE", pad_type, pad_shapes, pad, {1}}},
    {{"Concat"}, {"CONCATENATION", first_type, concat_shapes, concat, {}}},
    {{"Gather"}, with_inputs(2, {"GATHER", first_type, gather_shapes, gather, {}})},
    {{"Shape"}, {"SHAPE", int64_type, shape_shapes, shape, {}}},
    {{"NonZero"}, non_zero_operator()},
};

}  // namespace
}  // namespace fake_nvinfer
