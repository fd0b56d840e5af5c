// Maxima and averages over windows of one to three spatial axes; each thread takes four channels of one place.
#include "division.cuh"
#include "epilogue.cuh"

struct PoolParams {
  const void* input;
  void* output;
  int32_t inputStorage;
  int32_t outputStorage;
  float inputScale;
  int32_t inputZeroPoint;
  float outputScale;
  int32_t outputZeroPoint;
  int32_t average;
  int32_t countIncludePad;
  // Whether four channels are contiguous and aligned on both sides.
  int32_t vectors;
  int32_t count;
  int32_t channels;
  DIVISOR_FIELDS(channelGroups);
  // Of depth, height and width.
  int32_t inputSizes[3];
  int32_t outputSizes[3];
  uint32_t outputMultipliers[3];
  uint32_t outputShifts[3];
  int32_t kernel[3];
  int32_t strides[3];
  int32_t dilations[3];
  int32_t padsBefore[3];
  // Where the padding behind ends.
  int32_t ends[3];
  int32_t inputImage;
  int32_t inputChannel;
  int32_t inputSteps[3];
  int32_t outputImage;
  int32_t outputChannel;
  int32_t outputSteps[3];
};

/** Elements along a line of the window that are under way at once. */
constexpr int POOLED_AT_ONCE = 4;

template <int STORAGE>
DEVICE void pool_load(float (&values)[4], const PoolParams& p, int64_t index, int channels) {
  if (p.vectors) {
    load_float_4(values, p.input, index, STORAGE, p.inputScale, p.inputZeroPoint);
    return;
  }
  UNROLL
  for (int i = 0; i < 4; i++) {
    if (i < channels)
      values[i] = load_float(p.input, index + static_cast<int64_t>(i) * p.inputChannel, STORAGE, p.inputScale, p.inputZeroPoint);
  }
}

/** How many of a window's elements lie before `end`, and from 0 on unless padding counts. */
DEVICE int pool_counted(int first, int kernel, int dilation, int end, bool withPadding) {
  int counted = 0;
  NO_UNROLL
  for (int tap = 0; tap < kernel; tap++) {
    const int place = first + tap * dilation;
    counted += place < end && (withPadding || place >= 0);
  }
  return counted;
}

template <int STORAGE>
DEVICE void pool_windows(const PoolParams& p) {
  const int index = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (index >= p.count) return;
  int rest = divide(index, p.channelGroupsMultiplier, p.channelGroupsShift);
  const int channel = 4 * (index - rest * p.channelGroups);
  const int channels = p.channels - channel < 4 ? p.channels - channel : 4;
  int64_t to = static_cast<int64_t>(channel) * p.outputChannel, from = static_cast<int64_t>(channel) * p.inputChannel;
  int first[3];
  int counted = 1;
  UNROLL
  for (int axis = 2; axis >= 0; axis--) {
    const int outer = divide(rest, p.outputMultipliers[axis], p.outputShifts[axis]);
    const int place = rest - outer * p.outputSizes[axis];
    rest = outer;
    to += static_cast<int64_t>(place) * p.outputSteps[axis];
    first[axis] = place * p.strides[axis] - p.padsBefore[axis];
    if (p.average) {
      const int end = p.countIncludePad ? p.ends[axis] : p.inputSizes[axis];
      counted *= pool_counted(first[axis], p.kernel[axis], p.dilations[axis], end, p.countIncludePad != 0);
    }
  }
  to += static_cast<int64_t>(rest) * p.outputImage;
  from += static_cast<int64_t>(rest) * p.inputImage;

  float result[4];
  UNROLL
  for (int i = 0; i < 4; i++) result[i] = p.average ? 0.0f : bits_float(0xff800000u);
  NO_UNROLL
  for (int depth = 0; depth < p.kernel[0]; depth++) {
    const int z = first[0] + depth * p.dilations[0];
    if (z < 0 || z >= p.inputSizes[0]) continue;
    NO_UNROLL
    for (int line = 0; line < p.kernel[1]; line++) {
      const int y = first[1] + line * p.dilations[1];
      if (y < 0 || y >= p.inputSizes[1]) continue;
      const int64_t start = from + static_cast<int64_t>(z) * p.inputSteps[0] + static_cast<int64_t>(y) * p.inputSteps[1];
      NO_UNROLL
      for (int tap = 0; tap < p.kernel[2]; tap += POOLED_AT_ONCE) {
        float values[POOLED_AT_ONCE][4];
        bool valid[POOLED_AT_ONCE];
        UNROLL
        for (int i = 0; i < POOLED_AT_ONCE; i++) {
          const int x = first[2] + (tap + i) * p.dilations[2];
          valid[i] = tap + i < p.kernel[2] && x >= 0 && x < p.inputSizes[2];
          if (valid[i]) pool_load<STORAGE>(values[i], p, start + static_cast<int64_t>(x) * p.inputSteps[2], channels);
        }
        UNROLL
        for (int i = 0; i < POOLED_AT_ONCE; i++) {
          if (!valid[i]) continue;
          UNROLL
          for (int j = 0; j < 4; j++) {
            if (j >= channels) continue;
            const float value = values[i][j];
            if (p.average) result[j] = add_rn(result[j], value);
            else if (value > result[j] || value != value) result[j] = value;
          }
        }
      }
    }
  }
  if (p.average) {
    UNROLL
    for (int i = 0; i < 4; i++) result[i] = div_rn(result[i], float_from_int(counted));
  }
  if (p.vectors) {
    store_float_4(p.output, to, result, p.outputStorage, p.outputScale, p.outputZeroPoint);
    return;
  }
  UNROLL
  for (int i = 0; i < 4; i++) {
    if (i < channels)
      store_float(p.output, to + static_cast<int64_t>(i) * p.outputChannel, result[i], p.outputStorage, p.outputScale, p.outputZeroPoint);
  }
}

KERNEL_BOUNDED(pool, PoolParams, 128, 4) {
  switch (p.inputStorage) {
    case STORE_FLOAT32: return pool_windows<STORE_FLOAT32>(p);
    case STORE_FLOAT16: return pool_windows<STORE_FLOAT16>(p);
    case STORE_INT8: return pool_windows<STORE_INT8>(p);
    default: return pool_windows<STORE_UINT8>(p);
  }
}
