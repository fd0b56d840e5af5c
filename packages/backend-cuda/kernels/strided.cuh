// Walking over views: axes that lie alike in every operand are one axis (src/kernels/iteration.ts), the innermost first.
#pragma once
#include "division.cuh"

constexpr int MAX_AXES = 8;

/** Fields of a struct for `offsets_of`: `iterationFields` of src/kernels/iteration.ts. */
#define ITERATION_FIELDS(operands) \
  int32_t axes;                    \
  int32_t sizes[8];                \
  uint32_t multipliers[8];         \
  uint32_t shifts[8];              \
  int32_t strides[8 * operands]

/**
 * The offset of element `index` of an iteration in each operand. `sizes`, `multipliers` and `shifts` are of the axes, the
 * innermost first; `strides` has MAX_AXES entries per operand.
 */
template <int OPERANDS>
DEVICE void offsets_of(int64_t (&offsets)[OPERANDS], int index, int axes, const int32_t (&sizes)[MAX_AXES],
                       const uint32_t (&multipliers)[MAX_AXES], const uint32_t (&shifts)[MAX_AXES],
                       const int32_t (&strides)[OPERANDS * MAX_AXES]) {
  UNROLL
  for (int i = 0; i < OPERANDS; i++) offsets[i] = 0;
  NO_UNROLL
  for (int axis = 0; axis < axes; axis++) {
    // The outermost axis takes what is left.
    const int rest = axis + 1 < axes ? divide(index, multipliers[axis], shifts[axis]) : 0;
    const int place = index - rest * sizes[axis];
    UNROLL
    for (int i = 0; i < OPERANDS; i++) offsets[i] += static_cast<int64_t>(place) * strides[i * MAX_AXES + axis];
    index = rest;
  }
}
