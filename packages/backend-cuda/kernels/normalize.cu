// (x - mean) / sqrt(variance + epsilon) * scale + bias over the rows of a tensor, of x = input + residual.
#include "rows.cuh"

struct NormalizeParams {
  const void* input;
  const void* residual;
  const void* scale;
  const void* bias;
  void* output;
  void* sum;
  int32_t inputType;
  int32_t residualType;
  int32_t scaleType;
  int32_t biasType;
  int32_t outputType;
  int32_t sumType;
  float epsilon;
  // Of squares alone, without a mean.
  int32_t rootMeanSquare;
  // Over input, residual, scale, bias, output and sum.
  ROW_FIELDS(6);
};

/** Elements that a thread holds in registers; rows that are longer are read three times. */
constexpr int NORMALIZED_HELD = 8;

struct NormalizedElements {
  float values[NORMALIZED_HELD];
  bool valid[NORMALIZED_HELD];

  /** Those that a thread takes from `next` on: input + residual, 0 where there is none. */
  DEVICE void load(const NormalizeParams& p, const RowWork<6>& work, int next, bool keepSum) {
    int64_t inputs[NORMALIZED_HELD], residuals[NORMALIZED_HELD], sums[NORMALIZED_HELD];
    UNROLL
    for (int i = 0; i < NORMALIZED_HELD; i++) {
      int64_t offsets[6];
      valid[i] = next + i * work.step < work.length;
      element_offsets(offsets, p, work, valid[i] ? next + i * work.step : 0);
      inputs[i] = offsets[0], residuals[i] = offsets[1], sums[i] = offsets[5];
    }
    load_elements(values, p.input, inputs, valid, p.inputType, 0.0f);
    if (p.residual) {
      float added[NORMALIZED_HELD];
      load_elements(added, p.residual, residuals, valid, p.residualType, 0.0f);
      UNROLL
      for (int i = 0; i < NORMALIZED_HELD; i++) values[i] = add_rn(values[i], added[i]);
    }
    if (p.sum && keepSum) {
      UNROLL
      for (int i = 0; i < NORMALIZED_HELD; i++) {
        if (valid[i]) store_element(p.sum, sums[i], values[i], p.sumType);
      }
    }
  }
};

KERNEL_BOUNDED(normalize, NormalizeParams, 512, 1) {
  const RowWork<6> work = row_work<6>(p);
  const bool held = p.length <= NORMALIZED_HELD * p.threadsPerRow;
  const int stride = NORMALIZED_HELD * work.step;
  const auto add = [](float a, float b) { return add_rn(a, b); };
  NormalizedElements x;

  float total = 0.0f;
  NO_UNROLL
  for (int next = work.first; next < work.length; next += stride) {
    x.load(p, work, next, true);
    UNROLL
    for (int i = 0; i < NORMALIZED_HELD; i++) total = add_rn(total, x.values[i]);
  }
  const float mean = p.rootMeanSquare ? 0.0f : div_rn(combine_row(total, p, add), float_from_int(p.length));

  float squares = 0.0f;
  NO_UNROLL
  for (int next = work.first; next < work.length; next += stride) {
    if (!held) x.load(p, work, next, false);
    UNROLL
    for (int i = 0; i < NORMALIZED_HELD; i++) {
      const float centred = x.valid[i] ? sub_rn(x.values[i], mean) : 0.0f;
      squares = fma_rn(centred, centred, squares);
    }
  }
  const float variance = div_rn(combine_row(squares, p, add), float_from_int(p.length));
  const float factor = div_rn(1.0f, sqrt_(add_rn(variance, p.epsilon)));

  NO_UNROLL
  for (int next = work.first; next < work.length; next += stride) {
    if (!held) x.load(p, work, next, false);
    int64_t scales[NORMALIZED_HELD], biases[NORMALIZED_HELD], outputs[NORMALIZED_HELD];
    UNROLL
    for (int i = 0; i < NORMALIZED_HELD; i++) {
      int64_t offsets[6];
      element_offsets(offsets, p, work, x.valid[i] ? next + i * work.step : 0);
      scales[i] = offsets[2], biases[i] = offsets[3], outputs[i] = offsets[4];
    }
    float scale[NORMALIZED_HELD], bias[NORMALIZED_HELD];
    UNROLL
    for (int i = 0; i < NORMALIZED_HELD; i++) scale[i] = 1.0f, bias[i] = 0.0f;
    if (p.scale) load_elements(scale, p.scale, scales, x.valid, p.scaleType, 1.0f);
    if (p.bias) load_elements(bias, p.bias, biases, x.valid, p.biasType, 0.0f);
    UNROLL
    for (int i = 0; i < NORMALIZED_HELD; i++) {
      const float result = fma_rn(mul_rn(sub_rn(x.values[i], mean), factor), scale[i], bias[i]);
      if (x.valid[i]) store_element(p.output, outputs[i], result, p.outputType);
    }
  }
}
