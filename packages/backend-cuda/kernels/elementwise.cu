// A chain of operations on corresponding elements. Each thread takes a few neighbours along the innermost axis of the output;
// what operations need again lies in slots of shared memory, 16 bytes of each thread per slot, inputs first.
#include "elementwise.cuh"
#include "strided.cuh"

constexpr int MAX_INPUTS = 6;
// Where an operand comes from: below, a slot.
constexpr uint32_t FIRST_CONSTANT = 32, LAST_RESULT = 64, NOWHERE = 255;

/** How the elements of a thread lie in an operand. */
enum Neighbours : int32_t { NEIGHBOURS_STRIDED = 0, NEIGHBOURS_ALIGNED = 1, NEIGHBOURS_SAME = 2 };

struct ElementwiseParams {
  const void* inputs[6];
  void* outputs[2];
  int32_t inputTypes[6];
  int32_t outputTypes[2];
  // `Neighbours` of each input, then of each output.
  int32_t neighbours[8];
  int32_t inputCount;
  int32_t outputCount;
  // Groups of neighbours.
  int32_t groups;
  DIVISOR_FIELDS(groupsPerRow);
  // Over each input, then of each output.
  ITERATION_FIELDS(8);
  int32_t instructions;
  // Operation and the slot that keeps the result, then the places of three operands, a byte each.
  uint32_t code[64];
  uint32_t results[2];
  // Numbers of the type of the computation, lower halves first.
  uint32_t constants[64];
};

template <typename T>
struct Numbers;
template <>
struct Numbers<float> {
  using Bits = uint32_t;
  static constexpr int COUNT = 4;
};
template <>
struct Numbers<int64_t> {
  using Bits = uint64_t;
  static constexpr int COUNT = 2;
};
template <>
struct Numbers<double> : Numbers<int64_t> {};

DEVICE float from_bits(uint64_t bits, float) { return bits_float(static_cast<uint32_t>(bits)); }
DEVICE int64_t from_bits(uint64_t bits, int64_t) { return static_cast<int64_t>(bits); }
DEVICE double from_bits(uint64_t bits, double) { return bits_double(bits); }
DEVICE uint32_t to_bits(float value) { return float_bits(value); }
DEVICE uint64_t to_bits(int64_t value) { return static_cast<uint64_t>(value); }
DEVICE uint64_t to_bits(double value) { return double_bits(value); }

template <typename Bits, int V>
struct alignas(16) Slot {
  Bits bits[V];
};

template <typename Element, int V>
struct alignas(sizeof(Element) * V < 16 ? sizeof(Element) * V : 16) Neighbourhood {
  Element elements[V];
};

template <typename Element, typename Bits, int V>
DEVICE void load_neighbours(Bits (&bits)[V], const void* base, int64_t index, int32_t stride, int32_t neighbours, int count) {
  const Element* from = static_cast<const Element*>(base) + index;
  if (neighbours == NEIGHBOURS_ALIGNED && count == V) {
    const Neighbourhood<Element, V> all = *reinterpret_cast<const Neighbourhood<Element, V>*>(from);
    UNROLL
    for (int i = 0; i < V; i++) bits[i] = static_cast<Bits>(all.elements[i]);
  } else if (neighbours == NEIGHBOURS_SAME) {
    const Bits one = static_cast<Bits>(*from);
    UNROLL
    for (int i = 0; i < V; i++) bits[i] = one;
  } else {
    UNROLL
    for (int i = 0; i < V; i++) bits[i] = i < count ? static_cast<Bits>(from[static_cast<int64_t>(i) * stride]) : Bits(0);
  }
}

template <typename Element, int V>
DEVICE void store_neighbours(const uint64_t (&bits)[V], void* base, int64_t index, int32_t stride, int32_t neighbours, int count) {
  Element* to = static_cast<Element*>(base) + index;
  if (neighbours == NEIGHBOURS_ALIGNED && count == V) {
    Neighbourhood<Element, V> all;
    UNROLL
    for (int i = 0; i < V; i++) all.elements[i] = static_cast<Element>(bits[i]);
    *reinterpret_cast<Neighbourhood<Element, V>*>(to) = all;
  } else {
    UNROLL
    for (int i = 0; i < V; i++) {
      if (i < count) to[static_cast<int64_t>(i) * stride] = static_cast<Element>(bits[i]);
    }
  }
}

template <typename T>
struct Elementwise {
  static constexpr int V = Numbers<T>::COUNT;
  using Bits = typename Numbers<T>::Bits;
  using Slots = Slot<Bits, V>;

  static DEVICE Slots& slot(uint32_t index) {
    return reinterpret_cast<Slots*>(shared_memory())[index * blockDim.x + threadIdx.x];
  }

  static DEVICE void fetch(T (&v)[V], uint32_t place, const T (&last)[V], const uint32_t* constants) {
    if (place == LAST_RESULT) {
      UNROLL
      for (int i = 0; i < V; i++) v[i] = last[i];
    } else if (place < FIRST_CONSTANT) {
      const Slots kept = slot(place);
      UNROLL
      for (int i = 0; i < V; i++) v[i] = from_bits(kept.bits[i], T());
    } else if (place < LAST_RESULT) {
      const uint32_t* words = constants + 2 * (place - FIRST_CONSTANT);
      const T one = from_bits(words[0] | static_cast<uint64_t>(words[1]) << 32, T());
      UNROLL
      for (int i = 0; i < V; i++) v[i] = one;
    }
  }

  static DEVICE void keep(uint32_t place, const T (&v)[V]) {
    Slots kept;
    UNROLL
    for (int i = 0; i < V; i++) kept.bits[i] = to_bits(v[i]);
    slot(place) = kept;
  }

  static DEVICE void run(const ElementwiseParams& p) {
    const int group = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (group >= p.groups) return;
    int places[MAX_AXES];
    int rest = divide(group, p.groupsPerRowMultiplier, p.groupsPerRowShift);
    places[0] = (group - rest * p.groupsPerRow) * V;
    const int count = p.sizes[0] - places[0] < V ? p.sizes[0] - places[0] : V;
    UNROLL
    for (int axis = 1; axis < MAX_AXES; axis++) {
      if (axis < p.axes) {
        const int next = axis + 1 < p.axes ? divide(rest, p.multipliers[axis], p.shifts[axis]) : 0;
        places[axis] = rest - next * p.sizes[axis];
        rest = next;
      }
    }
    const auto offset_of = [&](int operand) {
      int64_t offset = 0;
      UNROLL
      for (int axis = 0; axis < MAX_AXES; axis++) {
        if (axis < p.axes) offset += static_cast<int64_t>(places[axis]) * p.strides[operand * MAX_AXES + axis];
      }
      return offset;
    };

    // All loads are under way before the first is waited for.
    Bits loaded[MAX_INPUTS][V];
    UNROLL
    for (int input = 0; input < MAX_INPUTS; input++) {
      if (input < p.inputCount) {
        const void* base = p.inputs[input];
        const int64_t index = offset_of(input);
        const int32_t stride = p.strides[input * MAX_AXES], neighbours = p.neighbours[input];
        Bits(&bits)[V] = loaded[input];
        switch (log2_bytes(p.inputTypes[input])) {
          case 0: load_neighbours<uint8_t>(bits, base, index, stride, neighbours, count); break;
          case 1: load_neighbours<uint16_t>(bits, base, index, stride, neighbours, count); break;
          case 2: load_neighbours<uint32_t>(bits, base, index, stride, neighbours, count); break;
          default: {
            uint64_t wide[V];
            load_neighbours<uint64_t>(wide, base, index, stride, neighbours, count);
            UNROLL
            for (int i = 0; i < V; i++) bits[i] = to_bits(decode_wide<T>(wide[i], p.inputTypes[input]));
          }
        }
      }
    }
    UNROLL
    for (int input = 0; input < MAX_INPUTS; input++) {
      if (input < p.inputCount) {
        Slots raw;
        UNROLL
        for (int i = 0; i < V; i++) raw.bits[i] = loaded[input][i];
        slot(input) = raw;
      }
    }
    T last[V];
    NO_UNROLL
    for (int input = 0; input < p.inputCount; input++) {
      const int32_t type = p.inputTypes[input];
      if (log2_bytes(type) == 3) continue;
      const Slots raw = slot(input);
      UNROLL
      for (int i = 0; i < V; i++) last[i] = decode_narrow<T>(static_cast<uint32_t>(raw.bits[i]), type);
      keep(input, last);
    }

    NO_UNROLL
    for (int i = 0; i < p.instructions; i++) {
      const uint32_t operation = p.code[2 * i], operands = p.code[2 * i + 1];
      T a[V], b[V], c[V], result[V];
      fetch(a, operands & 255u, last, p.constants);
      fetch(b, operands >> 8 & 255u, last, p.constants);
      fetch(c, operands >> 16 & 255u, last, p.constants);
      operate(operation & 255u, result, a, b, c);
      UNROLL
      for (int j = 0; j < V; j++) last[j] = result[j];
      const uint32_t kept = operation >> 8 & 255u;
      if (kept != NOWHERE) keep(kept, last);
    }

    NO_UNROLL
    for (int output = 0; output < p.outputCount; output++) {
      T values[V];
      fetch(values, p.results[output], last, p.constants);
      const int32_t type = p.outputTypes[output], operand = MAX_INPUTS + output;
      const int32_t stride = p.strides[operand * MAX_AXES], neighbours = p.neighbours[operand];
      uint64_t bits[V];
      UNROLL
      for (int i = 0; i < V; i++) bits[i] = encode(values[i], type);
      void* base = p.outputs[output];
      const int64_t index = offset_of(operand);
      switch (log2_bytes(type)) {
        case 0: store_neighbours<uint8_t>(bits, base, index, stride, neighbours, count); break;
        case 1: store_neighbours<uint16_t>(bits, base, index, stride, neighbours, count); break;
        case 2: store_neighbours<uint32_t>(bits, base, index, stride, neighbours, count); break;
        default: store_neighbours<uint64_t>(bits, base, index, stride, neighbours, count);
      }
    }
  }
};

KERNEL_BOUNDED(elementwise_float32, ElementwiseParams, 128, 4) { Elementwise<float>::run(p); }
KERNEL_BOUNDED(elementwise_int64, ElementwiseParams, 128, 4) { Elementwise<int64_t>::run(p); }
KERNEL_BOUNDED(elementwise_float64, ElementwiseParams, 128, 4) { Elementwise<double>::run(p); }
