// Resizing along up to three axes: each output is a weighted sum of inputs, whose places and weights tables list per axis
// (src/kernels/resize-taps.ts). Each thread takes neighbours along the innermost axis.
#include "elements.cuh"
#include "epilogue.cuh"
#include "strided.cuh"

struct ResizeParams {
  const void* input;
  void* output;
  // [size, taps] of each resized axis; one tap and no table where there are fewer axes.
  const int32_t* places[3];
  const float* weights[3];
  int32_t storage;
  float extrapolationValue;
  // Whether the innermost axis is not resized, and groups of four are contiguous and aligned on both sides.
  int32_t vectors;
  int32_t count;
  // Of the output; the first is counted in groups of four with vectors.
  // Over the input (0 along resized axes), of the output, and of each axis' tables.
  ITERATION_FIELDS(5);
  int32_t taps[3];
  int32_t inputSteps[3];
};

KERNEL_BOUNDED(resize, ResizeParams, 128, 4) {
  const int index = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (index >= p.count) return;
  int64_t offsets[5];
  offsets_of(offsets, index, p.axes, p.sizes, p.multipliers, p.shifts, p.strides);
  float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  bool inside = true;
  NO_UNROLL
  for (int a = 0; a < p.taps[0]; a++) {
    const int placeA = p.places[0][offsets[2] + a];
    const float weightA = p.weights[0][offsets[2] + a];
    NO_UNROLL
    for (int b = 0; b < p.taps[1]; b++) {
      const int placeB = p.places[1] ? p.places[1][offsets[3] + b] : 0;
      const float weightAB = p.places[1] ? mul_rn(weightA, p.weights[1][offsets[3] + b]) : weightA;
      UNROLL_BY(2)
      for (int c = 0; c < p.taps[2]; c++) {
        const int placeC = p.places[2] ? p.places[2][offsets[4] + c] : 0;
        const float weight = p.places[2] ? mul_rn(weightAB, p.weights[2][offsets[4] + c]) : weightAB;
        if (placeA < 0 || placeB < 0 || placeC < 0) {
          inside = false;
          continue;
        }
        const int64_t from = offsets[0] + static_cast<int64_t>(placeA) * p.inputSteps[0] +
                             static_cast<int64_t>(placeB) * p.inputSteps[1] + static_cast<int64_t>(placeC) * p.inputSteps[2];
        float values[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        if (p.vectors) load_float_4(values, p.input, from, p.storage, 1.0f, 0);
        else values[0] = load_element<float>(p.input, from, p.storage);
        UNROLL
        for (int i = 0; i < 4; i++) sum[i] = fma_rn(values[i], weight, sum[i]);
      }
    }
  }
  if (!inside) {
    UNROLL
    for (int i = 0; i < 4; i++) sum[i] = p.extrapolationValue;
  }
  if (p.vectors) store_float_4(p.output, offsets[1], sum, p.storage, 1.0f, 0);
  else store_element(p.output, offsets[1], sum[0], p.storage);
}
