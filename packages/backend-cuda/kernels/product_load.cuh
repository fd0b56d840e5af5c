// Copies of tiles of the input and the weights into shared memory: rows of ROW_BYTES, whose 16-byte chunks are permuted so
// that neither writing nor reading them row by row hits a bank twice.
#pragma once
#include "product.cuh"

/** Where chunk `chunk` of row `row` lies, in bytes. */
template <int ROW_BYTES>
DEVICE int chunk_place(int row, int chunk) {
  return row * ROW_BYTES + (ROW_BYTES == 64 ? chunk ^ ((row >> 1) & 3) : chunk ^ (row & 7)) * 16;
}

/** An element of any storage as the bits that a product of this element size reads; integers become floats as they are. */
template <int ELEMENT_BYTES>
DEVICE uint32_t gather(const void* base, int64_t index, int32_t storage) {
  if constexpr (ELEMENT_BYTES == 1) return static_cast<const uint8_t*>(base)[index];
  else if (ELEMENT_BYTES == 2 && storage == STORE_FLOAT16) return static_cast<const half*>(base)[index].bits;
  const float value = load_float(base, index, storage, 1.0f, 0);
  return ELEMENT_BYTES == 2 ? to_half(value).bits : float_bits(value);
}

/**
 * Rows of the input that are copied VECTOR bytes at a time: contiguous channels, and everything a multiple of VECTOR bytes.
 * VECTOR 0 gathers element by element with any strides and converts.
 */
template <int ELEMENT_BYTES, int VECTOR, int TILE_ROWS, int ROW_BYTES, int THREADS>
struct InputTile {
  static constexpr int CHUNKS = ROW_BYTES / 16;
  static constexpr int PASS = THREADS / CHUNKS;
  static constexpr int COUNT = TILE_ROWS / PASS;
  static constexpr int CHUNK_ELEMENTS = 16 / ELEMENT_BYTES;
  static_assert(TILE_ROWS % PASS == 0, "threads must divide a tile evenly");

  RowStart rows[COUNT];
  int firstRow, chunk;

  DEVICE void start(const ProductParams& p, int tileRow) {
    firstRow = threadIdx.x / CHUNKS;
    chunk = threadIdx.x % CHUNKS;
    UNROLL
    for (int i = 0; i < COUNT; i++) rows[i] = row_start(p, tileRow + firstRow + i * PASS);
  }

  DEVICE void load(const ProductParams& p, const uint8_t* input, unsigned char* tile, int firstDepth) const {
    UNROLL
    for (int part = 0; part < 16 / VECTOR; part++) {
      const DepthStart depth = depth_start(p, firstDepth + chunk * CHUNK_ELEMENTS + part * (VECTOR / ELEMENT_BYTES));
      UNROLL
      for (int i = 0; i < COUNT; i++) {
        unsigned char* target = tile + chunk_place<ROW_BYTES>(firstRow + i * PASS, chunk) + part * VECTOR;
        const bool inside = is_inside(p, rows[i], depth);
        const uint8_t* source = input + int64_t(rows[i].offset + depth.offset) * ELEMENT_BYTES;
        if constexpr (VECTOR == 16) {
          if (ELEMENT_BYTES == 1 && !inside && p.paddingBytes)
            *reinterpret_cast<bytes16*>(target) = bytes16{p.paddingBytes, p.paddingBytes, p.paddingBytes, p.paddingBytes};
          else
            cp_async_16(target, source, inside);
        } else {
          if (ELEMENT_BYTES == 1 && !inside && p.paddingBytes)
            *reinterpret_cast<uint32_t*>(target) = p.paddingBytes;
          else
            cp_async_4(target, source, inside);
        }
      }
    }
  }
};

template <int ELEMENT_BYTES, int TILE_ROWS, int ROW_BYTES, int THREADS>
struct InputTile<ELEMENT_BYTES, 0, TILE_ROWS, ROW_BYTES, THREADS> {
  static constexpr int CHUNKS = ROW_BYTES / 16;
  // Neighbouring threads take neighbouring rows, which lie next to each other where the channels do not.
  static constexpr int PASS = THREADS / TILE_ROWS;
  static constexpr int CHUNK_ELEMENTS = 16 / ELEMENT_BYTES;
  static_assert(THREADS % TILE_ROWS == 0 && CHUNKS % PASS == 0, "threads must divide a tile evenly");

  RowStart row;

  DEVICE void start(const ProductParams& p, int tileRow) { row = row_start(p, tileRow + threadIdx.x % TILE_ROWS); }

  DEVICE void load(const ProductParams& p, const uint8_t* input, unsigned char* tile, int firstDepth) const {
    NO_UNROLL
    for (int chunk = threadIdx.x / TILE_ROWS; chunk < CHUNKS; chunk += PASS) {
      uint32_t words[4] = {0, 0, 0, 0};
      UNROLL
      for (int i = 0; i < CHUNK_ELEMENTS; i++) {
        const DepthStart depth = depth_start(p, firstDepth + chunk * CHUNK_ELEMENTS + i);
        uint32_t bits = p.paddingBytes & 0xffu;
        if (is_inside(p, row, depth)) bits = gather<ELEMENT_BYTES>(input, row.offset + depth.offset, p.inputStorage);
        words[i * ELEMENT_BYTES / 4] |= bits << (i * ELEMENT_BYTES % 4 * 8);
      }
      *reinterpret_cast<bytes16*>(tile + chunk_place<ROW_BYTES>(threadIdx.x % TILE_ROWS, chunk)) =
          bytes16{words[0], words[1], words[2], words[3]};
    }
  }
};

enum WeightsLayout {
  /** [N][K], K contiguous, everything a multiple of 16 bytes. */
  WEIGHTS_BY_COLUMN,
  /** [K][N], N contiguous, everything a multiple of 16 bytes; the tile in shared memory has rows along N, too. */
  WEIGHTS_BY_DEPTH,
  /** Any strides, any float storage. */
  WEIGHTS_ANY,
};

template <WeightsLayout LAYOUT, int ELEMENT_BYTES, int TILE_COLUMNS, int ROW_BYTES, int THREADS>
struct WeightsTile {
  static constexpr int CHUNK_ELEMENTS = 16 / ELEMENT_BYTES;
  static constexpr int STEP_DEPTH = ROW_BYTES / ELEMENT_BYTES;
  /** Of the tile in shared memory. */
  static constexpr int TILE_ROW_BYTES = LAYOUT == WEIGHTS_BY_DEPTH ? TILE_COLUMNS * ELEMENT_BYTES : ROW_BYTES;
  static constexpr int TILE_ROWS = LAYOUT == WEIGHTS_BY_DEPTH ? STEP_DEPTH : TILE_COLUMNS;
  static constexpr int CHUNKS = TILE_ROW_BYTES / 16;
  static constexpr int PASS = THREADS / CHUNKS;
  static_assert(TILE_ROWS % PASS == 0, "threads must divide a tile evenly");

  DEVICE static void load(const ProductParams& p, const uint8_t* weights, unsigned char* tile, int firstColumn, int firstDepth) {
    if constexpr (LAYOUT == WEIGHTS_ANY) {
      NO_UNROLL
      for (int i = threadIdx.x; i < TILE_COLUMNS * CHUNKS; i += THREADS) {
        const int column = i % TILE_COLUMNS, chunk = i / TILE_COLUMNS;
        uint32_t words[4] = {0, 0, 0, 0};
        UNROLL
        for (int j = 0; j < CHUNK_ELEMENTS; j++) {
          const int k = firstDepth + chunk * CHUNK_ELEMENTS + j;
          if (k < p.depth && firstColumn + column < p.columns) {
            const int64_t index = int64_t(firstColumn + column) * p.weightsColumn + int64_t(k) * p.weightsDepth;
            words[j * ELEMENT_BYTES / 4] |= gather<ELEMENT_BYTES>(weights, index, p.weightsStorage) << (j * ELEMENT_BYTES % 4 * 8);
          }
        }
        *reinterpret_cast<bytes16*>(tile + chunk_place<ROW_BYTES>(column, chunk)) = bytes16{words[0], words[1], words[2], words[3]};
      }
    } else {
      const int chunk = threadIdx.x % CHUNKS;
      UNROLL
      for (int i = 0; i < TILE_ROWS / PASS; i++) {
        const int row = threadIdx.x / CHUNKS + i * PASS;
        const int column = firstColumn + (LAYOUT == WEIGHTS_BY_DEPTH ? chunk * CHUNK_ELEMENTS : row);
        const int k = firstDepth + (LAYOUT == WEIGHTS_BY_DEPTH ? row : chunk * CHUNK_ELEMENTS);
        const int64_t index = LAYOUT == WEIGHTS_BY_DEPTH ? int64_t(k) * p.weightsDepth + column : int64_t(column) * p.weightsColumn + k;
        cp_async_16(tile + chunk_place<TILE_ROW_BYTES>(row, chunk), weights + index * ELEMENT_BYTES, k < p.depth && column < p.columns);
      }
    }
  }
};

/**
 * A ring of T::STAGES tiles in shared memory that is filled ahead: each holds a step of the depth, rows of the input first, then
 * columns of the weights.
 */
template <typename T, int ELEMENT_BYTES, int VECTOR, WeightsLayout LAYOUT>
struct TileRing {
  static constexpr int STEP_DEPTH = T::ROW_BYTES / ELEMENT_BYTES;
  static constexpr int INPUT_BYTES = T::TILE_ROWS * T::ROW_BYTES, STAGE_BYTES = INPUT_BYTES + T::TILE_COLUMNS * T::ROW_BYTES;
  using Weights = WeightsTile<LAYOUT, ELEMENT_BYTES, T::TILE_COLUMNS, T::ROW_BYTES, T::THREADS>;

  const uint8_t* input;
  const uint8_t* weights;
  InputTile<ELEMENT_BYTES, VECTOR, T::TILE_ROWS, T::ROW_BYTES, T::THREADS> rows;

  /** Starts on the first tiles; waits for the kernel ahead, except with constant weights: that one writes the input. */
  DEVICE void start(const ProductParams& p, const BlockWork& w) {
    // Operands that are converted while they are read have elements of another size.
    const int inputBytes = VECTOR ? ELEMENT_BYTES : storage_bytes(p.inputStorage);
    const int weightsBytes = LAYOUT == WEIGHTS_ANY ? storage_bytes(p.weightsStorage) : ELEMENT_BYTES;
    input = static_cast<const uint8_t*>(p.input) + (w.outer * p.inputOuter + w.inner * p.inputInner) * inputBytes;
    weights = static_cast<const uint8_t*>(p.weights) + (w.outer * p.weightsOuter + w.inner * p.weightsInner) * weightsBytes;
    rows.start(p, w.row);
    const bool weightsFirst = LAYOUT == WEIGHTS_BY_COLUMN && p.weightsConstant;
    if (weightsFirst) {
      NO_UNROLL
      for (int step = 0; step < T::STAGES - 1 && step < w.steps; step++) load_weights(p, w, step);
    }
    wait_for_kernel_ahead();
    NO_UNROLL
    for (int step = 0; step < T::STAGES - 1; step++) fill(p, w, step, !weightsFirst);
  }

  /** The tile of a step, which all threads wait for; starts on the one that takes the place of the step before. */
  DEVICE const unsigned char* tile(const ProductParams& p, const BlockWork& w, int step) const {
    cp_async_wait<T::STAGES - 2>();
    block_barrier();
    fill(p, w, step + T::STAGES - 1, true);
    return stage(step);
  }

  DEVICE void fill(const ProductParams& p, const BlockWork& w, int step, bool withWeights) const {
    if (step < w.steps) {
      rows.load(p, input, stage(step), (w.firstStep + step) * STEP_DEPTH);
      if (withWeights) load_weights(p, w, step);
    }
    cp_async_commit();
  }

  DEVICE void load_weights(const ProductParams& p, const BlockWork& w, int step) const {
    Weights::load(p, weights, stage(step) + INPUT_BYTES, w.column, (w.firstStep + step) * STEP_DEPTH);
  }

  DEVICE static unsigned char* stage(int step) { return shared_memory() + step % T::STAGES * STAGE_BYTES; }
};
