// exp(x - max) / sum over the rows of a tensor, or the logarithm of that.
#include "rows.cuh"

struct SoftmaxParams {
  const void* input;
  void* output;
  int32_t inputType;
  int32_t outputType;
  int32_t logarithm;
  ROW_FIELDS(2);
};

/** Elements that a thread holds in registers; rows that are longer are read three times. */
constexpr int SOFTMAX_HELD = 8;

DEVICE float larger(float a, float b) { return a > b || a != a ? a : b; }

KERNEL_BOUNDED(softmax, SoftmaxParams, 512, 1) {
  const RowWork<2> work = row_work<2>(p);
  const bool held = p.length <= SOFTMAX_HELD * p.threadsPerRow;
  float values[SOFTMAX_HELD];
  bool valid[SOFTMAX_HELD];
  const int stride = SOFTMAX_HELD * work.step;

  const float lowest = bits_float(0xff800000u);
  float top = lowest;
  NO_UNROLL
  for (int next = work.first; next < work.length; next += stride) {
    load_row_elements(values, valid, p, work, next, lowest);
    UNROLL
    for (int i = 0; i < SOFTMAX_HELD; i++) top = larger(top, values[i]);
  }
  top = combine_row(top, p, [](float a, float b) { return larger(a, b); });

  float sum = 0.0f;
  NO_UNROLL
  for (int next = work.first; next < work.length; next += stride) {
    if (!held) load_row_elements(values, valid, p, work, next, lowest);
    UNROLL
    for (int i = 0; i < SOFTMAX_HELD; i++) {
      const float shifted = sub_rn(values[i], top), power = exp_(shifted);
      if (valid[i]) sum = add_rn(sum, power);
      values[i] = p.logarithm ? shifted : power;
    }
  }
  sum = combine_row(sum, p, [](float a, float b) { return add_rn(a, b); });
  const float last = p.logarithm ? log_(sum) : div_rn(1.0f, sum);

  NO_UNROLL
  for (int next = work.first; next < work.length; next += stride) {
    if (!held) {
      load_row_elements(values, valid, p, work, next, lowest);
      UNROLL
      for (int i = 0; i < SOFTMAX_HELD; i++) {
        const float shifted = sub_rn(values[i], top);
        values[i] = p.logarithm ? shifted : exp_(shifted);
      }
    }
    UNROLL
    for (int i = 0; i < SOFTMAX_HELD; i++) {
      if (valid[i]) {
        int64_t offsets[2];
        element_offsets(offsets, p, work, next + i * work.step);
        store_element(p.output, offsets[1], p.logarithm ? sub_rn(values[i], last) : mul_rn(values[i], last), p.outputType);
      }
    }
  }
}
