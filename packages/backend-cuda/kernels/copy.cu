// Copies between views of one shape with any strides. Elements are bytes here: the host joins neighbours to units of up to 16.
#include "elements.cuh"
#include "strided.cuh"

struct CopyParams {
  const void* input;
  void* output;
  int32_t count;
  // Over the input, then of the output.
  ITERATION_FIELDS(2);
};

template <typename Unit>
DEVICE void copy_units(const CopyParams& p) {
  const int index = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (index >= p.count) return;
  int64_t offsets[2];
  offsets_of(offsets, index, p.axes, p.sizes, p.multipliers, p.shifts, p.strides);
  static_cast<Unit*>(p.output)[offsets[1]] = static_cast<const Unit*>(p.input)[offsets[0]];
}

KERNEL(copy_1, CopyParams) { copy_units<uint8_t>(p); }
KERNEL(copy_2, CopyParams) { copy_units<uint16_t>(p); }
KERNEL(copy_4, CopyParams) { copy_units<uint32_t>(p); }
KERNEL(copy_8, CopyParams) { copy_units<bytes8>(p); }
KERNEL(copy_16, CopyParams) { copy_units<bytes16>(p); }
