#include "windows.h"

namespace fake_nvinfer {
namespace {

Window make_window(const Layer& layer, const Shape& input, const std::vector<int64_t>& kernel, size_t i) {
  const std::vector<int64_t> ones(kernel.size(), 1), zeros(2 * kernel.size(), 0);
  Window w{};
  w.input = input[i + 2];
  w.kernel = kernel[i];
  w.stride = layer.numbers("strides", ones)[i];
  w.dilation = layer.numbers("dilations", ones)[i];
  const int64_t extent = (w.kernel - 1) * w.dilation + 1;
  const std::string automatic = layer.text("auto_pad", "NOTSET");
  if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
    w.output = (w.input + w.stride - 1) / w.stride;
    const int64_t padding = std::max<int64_t>(0, (w.output - 1) * w.stride + extent - w.input);
    w.pad = automatic == "SAME_UPPER" ? padding / 2 : padding - padding / 2;
    return w;
  }
  const std::vector<int64_t> pads = automatic == "VALID" ? zeros : layer.numbers("pads", zeros);
  w.pad = pads[i];
  const int64_t room = w.input + w.pad + pads[i + kernel.size()] - extent;
  if (room < 0) throw std::runtime_error("a window of " + std::to_string(extent) + " does not fit in " + text_of(input));
  w.output = room / w.stride + 1;
  // A window more where the last one would begin inside of the input or its first padding.
  if (layer.number("ceil_mode", 0) && room % w.stride && w.output * w.stride < w.input + w.pad) w.output++;
  return w;
}

}  // namespace

Windows::Windows(const Layer& layer, const Shape& input, const std::vector<int64_t>& kernel)
    : height{1, 1, 1, 1, 1, 0}, width{}, dimensions(kernel.size()) {
  if (dimensions < 1 || dimensions > 2 || input.size() != dimensions + 2)
    throw std::runtime_error("windows over " + text_of(input) + " need one or two dimensions");
  if (dimensions == 2) height = make_window(layer, input, kernel, 0);
  width = make_window(layer, input, kernel, dimensions - 1);
}

Shape Windows::shape(int64_t batch, int64_t channels) const {
  if (dimensions == 1) return {batch, channels, width.output};
  return {batch, channels, height.output, width.output};
}

}  // namespace fake_nvinfer
