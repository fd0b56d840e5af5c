// Windows that slide over the last one or two dimensions: of convolutions and pooling.
#pragma once
#include "operators.h"

namespace fake_nvinfer {

/** One dimension: where the window's element `k` lies for result `o` is o * stride - pad + k * dilation. */
struct Window {
  int64_t input, output, kernel, stride, dilation, pad;
};

/** Height and width; a single dimension is the width. Throws where windows do not fit. */
struct Windows {
  Window height, width;
  size_t dimensions;

  /** @param kernel of the dimensions from 2 on */
  Windows(const Layer& layer, const Shape& input, const std::vector<int64_t>& kernel);
  /** [batch, channels] and what slides. */
  Shape shape(int64_t batch, int64_t channels) const;
};

}  // namespace fake_nvinfer
