// Copies between views whose innermost axes differ: tiles go through shared memory, so that both sides are read and written along
// their own innermost axis - of the input down the rows, of the output across the columns.
#include "elements.cuh"
#include "strided.cuh"

constexpr int TRANSPOSE_THREADS = 256;

struct TransposeParams {
  const void* input;
  void* output;
  int32_t inputType;
  int32_t outputType;
  int32_t rows;
  int32_t columns;
  int32_t inputRow;
  int32_t inputColumn;
  int32_t outputRow;
  int32_t outputColumn;
  DIVISOR_FIELDS(rowTiles);
  DIVISOR_FIELDS(columnTiles);
  // What is left: one matrix for each place.
  // Over the input, then of the output.
  ITERATION_FIELDS(2);
};

template <typename Element>
struct Moved {
  using Kept = Element;
  static DEVICE Element load(const TransposeParams& p, int64_t index) { return static_cast<const Element*>(p.input)[index]; }
  static DEVICE void store(const TransposeParams& p, int64_t index, Element value) { static_cast<Element*>(p.output)[index] = value; }
};

struct Converted {
  using Kept = float;
  static DEVICE float load(const TransposeParams& p, int64_t index) { return load_element<float>(p.input, index, p.inputType); }
  static DEVICE void store(const TransposeParams& p, int64_t index, float value) { store_element(p.output, index, value, p.outputType); }
};

template <typename Access, int TILE>
DEVICE void transpose(const TransposeParams& p) {
  using Kept = typename Access::Kept;
  // Rows begin in different banks.
  constexpr int PITCH = TILE + (sizeof(Kept) < 4 ? 4 / sizeof(Kept) : 1), STEP = TRANSPOSE_THREADS / TILE;
  Kept* tile = reinterpret_cast<Kept*>(shared_memory());
  const int index = static_cast<int>(blockIdx.x);
  const int line = divide(index, p.columnTilesMultiplier, p.columnTilesShift);
  const int matrix = divide(line, p.rowTilesMultiplier, p.rowTilesShift);
  const int firstColumn = (index - line * p.columnTiles) * TILE, firstRow = (line - matrix * p.rowTiles) * TILE;
  int64_t offsets[2];
  offsets_of(offsets, matrix, p.axes, p.sizes, p.multipliers, p.shifts, p.strides);
  const int along = threadIdx.x % TILE, across = threadIdx.x / TILE;
  UNROLL
  for (int step = 0; step < TILE; step += STEP) {
    const int row = firstRow + along, column = firstColumn + across + step;
    if (row < p.rows && column < p.columns) {
      const int64_t from = offsets[0] + static_cast<int64_t>(row) * p.inputRow + static_cast<int64_t>(column) * p.inputColumn;
      tile[(across + step) * PITCH + along] = Access::load(p, from);
    }
  }
  block_barrier();
  UNROLL
  for (int step = 0; step < TILE; step += STEP) {
    const int row = firstRow + across + step, column = firstColumn + along;
    if (row < p.rows && column < p.columns) {
      const int64_t to = offsets[1] + static_cast<int64_t>(row) * p.outputRow + static_cast<int64_t>(column) * p.outputColumn;
      Access::store(p, to, tile[along * PITCH + across + step]);
    }
  }
}

KERNEL_BOUNDED(transpose_1, TransposeParams, TRANSPOSE_THREADS, 4) { transpose<Moved<uint8_t>, 64>(p); }
KERNEL_BOUNDED(transpose_2, TransposeParams, TRANSPOSE_THREADS, 4) { transpose<Moved<uint16_t>, 64>(p); }
KERNEL_BOUNDED(transpose_4, TransposeParams, TRANSPOSE_THREADS, 4) { transpose<Moved<uint32_t>, 32>(p); }
KERNEL_BOUNDED(transpose_8, TransposeParams, TRANSPOSE_THREADS, 4) { transpose<Moved<uint64_t>, 32>(p); }
KERNEL_BOUNDED(transpose_convert, TransposeParams, TRANSPOSE_THREADS, 4) { transpose<Converted, 32>(p); }
