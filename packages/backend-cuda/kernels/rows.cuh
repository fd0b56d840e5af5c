// Work on rows: elements of a tensor that are summed up, normalised or compared together, along one axis or several. Each row has
// `threadsPerRow` threads (a power of two) of a block that works on `rowsPerBlock` rows. Neighbouring threads take neighbouring
// elements of a row, or with `adjacentRows` the same element of neighbouring rows, whichever lie together in memory.
#pragma once
#include "elements.cuh"
#include "strided.cuh"

/** Fields of a struct for `row_work`: `rowFields` of src/kernels/rows.ts. */
#define ROW_FIELDS(operands)  \
  int32_t rows;               \
  int32_t length;             \
  int32_t rowsPerBlock;       \
  int32_t threadsPerRow;      \
  int32_t adjacentRows;       \
  ITERATION_FIELDS(operands); \
  int32_t rowAxes;            \
  int32_t rowSizes[8];        \
  uint32_t rowMultipliers[8]; \
  uint32_t rowShifts[8];      \
  int32_t rowStrides[8 * operands]

/** Which elements a thread works on: those of a row from `first` on, every `step`-th. */
template <int OPERANDS>
struct RowWork {
  int row;
  int first;
  int step;
  /** Elements in the row; none where there is no such row. */
  int length;
  /** Of the row's start, in each operand. */
  int64_t offsets[OPERANDS];
};

template <int OPERANDS, typename Params>
DEVICE RowWork<OPERANDS> row_work(const Params& p) {
  RowWork<OPERANDS> work;
  const int thread = static_cast<int>(threadIdx.x);
  // Both counts are powers of two, but only rows are adjacent in numbers that are not known to be.
  const int inner = p.adjacentRows ? p.rowsPerBlock : p.threadsPerRow;
  const int low = thread & (inner - 1), high = thread / inner;
  work.first = p.adjacentRows ? high : low;
  work.step = p.threadsPerRow;
  work.row = static_cast<int>(blockIdx.x) * p.rowsPerBlock + (p.adjacentRows ? low : high);
  work.length = work.row < p.rows ? p.length : 0;
  offsets_of(work.offsets, work.row < p.rows ? work.row : 0, p.axes, p.sizes, p.multipliers, p.shifts, p.strides);
  return work;
}

/** Where element `index` of a row lies in each operand. */
template <int OPERANDS, typename Params>
DEVICE void element_offsets(int64_t (&offsets)[OPERANDS], const Params& p, const RowWork<OPERANDS>& work, int index) {
  if (p.rowAxes == 1) {
    UNROLL
    for (int i = 0; i < OPERANDS; i++) offsets[i] = static_cast<int64_t>(index) * p.rowStrides[i * MAX_AXES];
  } else {
    offsets_of(offsets, index, p.rowAxes, p.rowSizes, p.rowMultipliers, p.rowShifts, p.rowStrides);
  }
  UNROLL
  for (int i = 0; i < OPERANDS; i++) offsets[i] += work.offsets[i];
}

/** A value of several words from another lane. */
template <typename T>
DEVICE T exchange(T value, int mask) {
  constexpr int WORDS = sizeof(T) / 4;
  union {
    T value;
    uint32_t words[WORDS];
  } both = {value};
  UNROLL
  for (int i = 0; i < WORDS; i++) both.words[i] = shuffle_xor(both.words[i], mask);
  return both.value;
}

/**
 * What the values of all threads of a row are together; each of them gets it. Every thread of the block must come here.
 * Shared memory: one value per thread.
 */
template <typename T, typename Params, typename Combine>
DEVICE T combine_row(T value, const Params& p, Combine combine) {
  T* shared = reinterpret_cast<T*>(shared_memory());
  if (p.adjacentRows) {
    shared[threadIdx.x] = value;
    NO_UNROLL
    for (int half = static_cast<int>(blockDim.x) / 2; half >= p.rowsPerBlock; half /= 2) {
      block_barrier();
      if (static_cast<int>(threadIdx.x) < half) shared[threadIdx.x] = combine(shared[threadIdx.x], shared[threadIdx.x + half]);
    }
    block_barrier();
    value = shared[threadIdx.x & (p.rowsPerBlock - 1)];
    block_barrier();
    return value;
  }
  const int lanes = p.threadsPerRow < 32 ? p.threadsPerRow : 32;
  NO_UNROLL
  for (int mask = lanes / 2; mask; mask /= 2) value = combine(value, exchange(value, mask));
  const int warps = p.threadsPerRow / 32;
  if (warps > 1) {
    if (lane_id() == 0) shared[warp_id()] = value;
    block_barrier();
    const int first = warp_id() & ~(warps - 1);
    value = shared[first];
    NO_UNROLL
    for (int warp = 1; warp < warps; warp++) value = combine(value, shared[first + warp]);
    block_barrier();
  }
  return value;
}

/** Elements at several indices; what is not `valid` is `otherwise`. All are under way before the first is waited for. */
template <typename T, int COUNT>
DEVICE void load_elements(T (&values)[COUNT], const void* base, const int64_t (&indices)[COUNT], const bool (&valid)[COUNT],
                          int32_t type, T otherwise) {
  uint32_t bits[COUNT];
  switch (log2_bytes(type)) {
    case 0:
      UNROLL
      for (int i = 0; i < COUNT; i++) bits[i] = valid[i] ? static_cast<const uint8_t*>(base)[indices[i]] : 0;
      break;
    case 1:
      UNROLL
      for (int i = 0; i < COUNT; i++) bits[i] = valid[i] ? static_cast<const uint16_t*>(base)[indices[i]] : 0;
      break;
    case 2:
      UNROLL
      for (int i = 0; i < COUNT; i++) bits[i] = valid[i] ? static_cast<const uint32_t*>(base)[indices[i]] : 0;
      break;
    default:
      UNROLL
      for (int i = 0; i < COUNT; i++)
        values[i] = valid[i] ? decode_wide<T>(static_cast<const uint64_t*>(base)[indices[i]], type) : otherwise;
      return;
  }
  UNROLL
  for (int i = 0; i < COUNT; i++) values[i] = valid[i] ? decode_narrow<T>(bits[i], type) : otherwise;
}

/** The elements of a row of `p.input`, the first operand, that a thread takes from `next` on; those beyond the row are `otherwise`. */
template <typename T, int COUNT, typename Params>
DEVICE void load_row_elements(T (&values)[COUNT], bool (&valid)[COUNT], const Params& p, const RowWork<2>& work, int next, T otherwise) {
  int64_t indices[COUNT];
  UNROLL
  for (int i = 0; i < COUNT; i++) {
    int64_t offsets[2];
    valid[i] = next + i * work.step < work.length;
    element_offsets(offsets, p, work, valid[i] ? next + i * work.step : 0);
    indices[i] = offsets[0];
  }
  load_elements(values, p.input, indices, valid, p.inputType, otherwise);
}
