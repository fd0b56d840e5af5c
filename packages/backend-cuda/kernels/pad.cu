// Padding. Elements are bytes here: the host joins neighbours to units of up to 16.
#include "elements.cuh"
#include "strided.cuh"

enum PadMode : int32_t { PAD_CONSTANT = 0, PAD_REFLECT = 1, PAD_EDGE = 2, PAD_WRAP = 3 };

struct PadParams {
  const void* input;
  void* output;
  int32_t mode;
  // A unit of what padding is set to.
  uint32_t value[4];
  int32_t count;
  // Over the input, then of the output.
  ITERATION_FIELDS(2);
  int32_t inputSizes[8];
  int32_t before[8];
};

DEVICE int wrapped(int place, int size) {
  const int rest = place % size;
  return rest < 0 ? rest + size : rest;
}

/** The element that stands for one outside, along one axis. */
DEVICE int mirrored(int place, int size, int32_t mode) {
  if (place >= 0 && place < size) return place;
  if (mode == PAD_EDGE || size == 1) return place < 0 ? 0 : size - 1;
  if (mode == PAD_WRAP) return wrapped(place, size);
  // Without the edge itself, and back and forth where there is more padding than elements.
  const int turn = wrapped(place, 2 * (size - 1));
  return turn < size ? turn : 2 * (size - 1) - turn;
}

DEVICE uint8_t filling(const uint32_t (&value)[4], uint8_t) { return static_cast<uint8_t>(value[0]); }
DEVICE uint16_t filling(const uint32_t (&value)[4], uint16_t) { return static_cast<uint16_t>(value[0]); }
DEVICE uint32_t filling(const uint32_t (&value)[4], uint32_t) { return value[0]; }
DEVICE bytes8 filling(const uint32_t (&value)[4], bytes8) { return bytes8{value[0], value[1]}; }
DEVICE bytes16 filling(const uint32_t (&value)[4], bytes16) { return bytes16{value[0], value[1], value[2], value[3]}; }

template <typename Unit>
DEVICE void pad_units(const PadParams& p) {
  int index = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (index >= p.count) return;
  int64_t from = 0, to = 0;
  bool inside = true;
  NO_UNROLL
  for (int axis = 0; axis < p.axes; axis++) {
    const int rest = axis + 1 < p.axes ? divide(index, p.multipliers[axis], p.shifts[axis]) : 0;
    const int place = index - rest * p.sizes[axis];
    to += static_cast<int64_t>(place) * p.strides[MAX_AXES + axis];
    int source = place - p.before[axis];
    if (source < 0 || source >= p.inputSizes[axis]) {
      if (p.mode == PAD_CONSTANT) inside = false;
      else source = mirrored(source, p.inputSizes[axis], p.mode);
    }
    from += static_cast<int64_t>(source) * p.strides[axis];
    index = rest;
  }
  static_cast<Unit*>(p.output)[to] = inside ? static_cast<const Unit*>(p.input)[from] : filling(p.value, Unit());
}

KERNEL(pad_1, PadParams) { pad_units<uint8_t>(p); }
KERNEL(pad_2, PadParams) { pad_units<uint16_t>(p); }
KERNEL(pad_4, PadParams) { pad_units<uint32_t>(p); }
KERNEL(pad_8, PadParams) { pad_units<bytes8>(p); }
KERNEL(pad_16, PadParams) { pad_units<bytes16>(p); }
