// Convolution and pooling, NCHW or NCW.
#include <algorithm>
#include <cmath>

#include "windows.h"

namespace fake_nvinfer {
namespace {

std::vector<int64_t> kernel_of(const Shape& weights) { return {weights.begin() + 2, weights.end()}; }

std::vector<Shape> convolution_shapes(const Layer& layer, const Operands& in) {
  const Shape &x = in[0].shape, &w = in[1].shape;
  if (w.size() < 3 || x.size() != w.size() || x[1] != w[1] * layer.number("group", 1))
    throw std::runtime_error("Conv of " + text_of(x) + " with weights " + text_of(w));
  return {Windows(layer, x, kernel_of(w)).shape(x[0], w[0])};
}

/** The results of a window's element that lie inside of the input: [first, last). */
std::pair<int64_t, int64_t> inside(const Window& w, int64_t k) {
  const int64_t offset = k * w.dilation - w.pad;
  int64_t first = offset < 0 ? (-offset + w.stride - 1) / w.stride : 0;
  int64_t last = offset < w.input ? std::min(w.output, (w.input - 1 - offset) / w.stride + 1) : 0;
  return {first, std::max(first, last)};
}

void convolve_plane(const float* x, const float* weights, float* y, const Window& h, const Window& w) {
  for (int64_t kh = 0; kh < h.kernel; kh++)
    for (int64_t kw = 0; kw < w.kernel; kw++) {
      const float weight = weights[kh * w.kernel + kw];
      const auto [top, bottom] = inside(h, kh);
      const auto [left, right] = inside(w, kw);
      for (int64_t oh = top; oh < bottom; oh++) {
        const float* row = x + (oh * h.stride + kh * h.dilation - h.pad) * w.input + kw * w.dilation - w.pad;
        float* result = y + oh * w.output;
        for (int64_t ow = left; ow < right; ow++) result[ow] += weight * row[ow * w.stride];
      }
    }
}

void convolution(const Layer& layer, const Views& in, const Views& out) {
  const Windows windows(layer, in[0].shape, kernel_of(in[1].shape));
  const Window &h = windows.height, &w = windows.width;
  const std::vector<float> x = floats_of(in[0]), weights = floats_of(in[1]);
  const std::vector<float> bias = in.size() > 2 && in[2].exists() ? floats_of(in[2]) : std::vector<float>();
  std::vector<float> y(static_cast<size_t>(out[0].count()));
  const int64_t groups = layer.number("group", 1), inputs = in[1].shape[1], outputs = in[1].shape[0], per_group = outputs / groups;
  const int64_t x_plane = h.input * w.input, y_plane = h.output * w.output, kernel = h.kernel * w.kernel;
  for (int64_t n = 0; n < in[0].shape[0]; n++)
    for (int64_t o = 0; o < outputs; o++) {
      float* plane = y.data() + (n * outputs + o) * y_plane;
      if (!bias.empty()) std::fill(plane, plane + y_plane, bias[static_cast<size_t>(o)]);
      for (int64_t i = 0; i < inputs; i++) {
        const int64_t channel = o / per_group * inputs + i;
        convolve_plane(x.data() + (n * groups * inputs + channel) * x_plane, weights.data() + (o * inputs + i) * kernel, plane, h, w);
      }
    }
  store(out[0], y);
}

std::vector<DataType> convolution_type(const Layer& layer, const std::vector<DataType>& types) {
  if (types.size() < 2 || types[0] != types[1] || !is_float(types[0]))
    throw OperatorError(ParserCode::unsupported_datatype, layer.op + " of type " + name_of(types[0]));
  return {types[0]};
}

std::vector<Shape> pooling_shapes(const Layer& layer, const Operands& in) {
  const Shape& x = in[0].shape;
  if (x.size() < 3) throw std::runtime_error(layer.op + " of " + text_of(x));
  return {Windows(layer, x, layer.numbers("kernel_shape", {})).shape(x[0], x[1])};
}

/** @param average counts what is inside, or also the padding; else the largest */
void pool(const Layer& layer, const Views& in, const Views& out, bool average) {
  const Windows windows(layer, in[0].shape, layer.numbers("kernel_shape", {}));
  const Window &h = windows.height, &w = windows.width;
  const bool with_padding = layer.number("count_include_pad", 0);
  const std::vector<float> x = floats_of(in[0]);
  std::vector<float> y;
  for (int64_t plane = 0; plane < in[0].shape[0] * in[0].shape[1]; plane++)
    for (int64_t oh = 0; oh < h.output; oh++)
      for (int64_t ow = 0; ow < w.output; ow++) {
        float result = average ? 0 : -INFINITY;
        int64_t count = 0;
        for (int64_t kh = 0; kh < h.kernel; kh++)
          for (int64_t kw = 0; kw < w.kernel; kw++) {
            const int64_t ih = oh * h.stride - h.pad + kh * h.dilation, iw = ow * w.stride - w.pad + kw * w.dilation;
            if (ih < 0 || iw < 0 || ih >= h.input || iw >= w.input) continue;
            const float value = x[static_cast<size_t>((plane * h.input + ih) * w.input + iw)];
            result = average ? result + value : std::max(result, value);
            count++;
          }
        const int64_t divisor = with_padding ? h.kernel * w.kernel : std::max<int64_t>(count, 1);
        y.push_back(average ? result / static_cast<float>(divisor) : result);
      }
  store(out[0], y);
}

std::vector<DataType> pooling_type(const Layer& layer, const std::vector<DataType>& types) {
  if (!is_float(types[0])) throw OperatorError(ParserCode::unsupported_datatype, layer.op + " of type " + name_of(types[0]));
  return {types[0]};
}

Operator convolution_operator() {
  Operator op{"CONVOLUTION", convolution_type, convolution_shapes, convolution, {}};
  op.inputs_min = 2;
  return op;
}

const RegisteredOperator operators[] = {
    {{"Conv"}, convolution_operator()},
    {{"MaxPool"},
     {"POOLING", pooling_type, pooling_shapes,
      [](const Layer& layer, const Views& in, const Views& out) { pool(layer, in, out, false); }, {}}},
    {{"AveragePool"},
     {"POOLING", pooling_type, pooling_shapes,
      [](const Layer& layer, const Views& in, const Views& out) { pool(layer, in, out, true); }, {}}},
};

}  // namespace
}  // namespace fake_nvinfer
