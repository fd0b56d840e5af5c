// The matrix product on tensor cores: a ring of tiles in shared memory that is filled ahead, and warps that multiply fragments.
#pragma once
#include "product_load.cuh"

// In all three, one mma takes 32 bytes of depth, so that fragments are loaded alike.
struct Float16Product {
  using Sum = float;
  static constexpr int ELEMENT_BYTES = 2;
  DEVICE static void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { mma_f16(d, a, b); }
  DEVICE static uint32_t operand(uint32_t bits) { return bits; }
};
struct Tf32Product {
  using Sum = float;
  static constexpr int ELEMENT_BYTES = 4;
  DEVICE static void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { mma_tf32(d, a, b); }
  DEVICE static uint32_t operand(uint32_t bits) { return to_tf32(bits_float(bits)); }
};
struct Int8Product {
  using Sum = int32_t;
  static constexpr int ELEMENT_BYTES = 1;
  DEVICE static void multiply(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { mma_s8(d, a, b); }
  DEVICE static uint32_t operand(uint32_t bits) { return bits; }
};
struct Uint8Product {
  using Sum = int32_t;
  static constexpr int ELEMENT_BYTES = 1;
  DEVICE static void multiply(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { mma_u8s8(d, a, b); }
  DEVICE static uint32_t operand(uint32_t bits) { return bits; }
};

/** What a block computes, how its warps share it, and how it goes through the depth. The wrapper has the same table. */
template <int TILE_ROWS_, int TILE_COLUMNS_, int WARP_ROWS_, int WARP_COLUMNS_, int ROW_BYTES_, int STAGES_>
struct Tile {
  static constexpr int TILE_ROWS = TILE_ROWS_, TILE_COLUMNS = TILE_COLUMNS_;
  static constexpr int WARP_ROWS = WARP_ROWS_, WARP_COLUMNS = WARP_COLUMNS_;
  static constexpr int ROW_BYTES = ROW_BYTES_, STAGES = STAGES_;
  static constexpr int THREADS = 32 * (TILE_ROWS / WARP_ROWS) * (TILE_COLUMNS / WARP_COLUMNS);
};
using Tile128x128 = Tile<128, 128, 64, 32, 64, 4>;
using Tile128x64 = Tile<128, 64, 64, 32, 64, 4>;
using Tile64x64 = Tile<64, 64, 32, 32, 128, 3>;
using Tile64x32 = Tile<64, 32, 32, 16, 128, 4>;
using Tile32x32 = Tile<32, 32, 16, 16, 128, 4>;
// For gathered inputs, whose depth is often short.
using Tile64x64Short = Tile<64, 64, 32, 32, 64, 2>;
using Tile64x32Short = Tile<64, 32, 32, 16, 64, 2>;

template <typename Product, typename T, WeightsLayout LAYOUT>
DEVICE void multiply_step(const unsigned char* a, const unsigned char* b, int warpRow, int warpColumn,
                          typename Product::Sum (&sums)[T::WARP_ROWS / 16][T::WARP_COLUMNS / 8][4]) {
  constexpr int ROWS = T::WARP_ROWS / 16, COLUMNS = T::WARP_COLUMNS / 8;
  const int lane = lane_id();
  UNROLL
  for (int k = 0; k < T::ROW_BYTES / 32; k++) {
    uint32_t fa[ROWS][4], fb[COLUMNS][2];
    UNROLL
    for (int i = 0; i < ROWS; i++) {
      ldmatrix_x4(fa[i], a + chunk_place<T::ROW_BYTES>(warpRow + i * 16 + (lane & 15), k * 2 + (lane >> 4)));
      UNROLL
      for (int r = 0; r < 4; r++) fa[i][r] = Product::operand(fa[i][r]);
    }
    UNROLL
    for (int j = 0; j < COLUMNS; j += 2) {
      uint32_t pair[4];
      if constexpr (LAYOUT == WEIGHTS_BY_DEPTH) {
        constexpr int bytes = T::TILE_COLUMNS * Product::ELEMENT_BYTES;
        const int chunk = (warpColumn + j * 8) * Product::ELEMENT_BYTES / 16 + (lane >> 4);
        ldmatrix_x4_trans(pair, b + chunk_place<bytes>(k * 16 + (lane & 15), chunk));
      } else {
        const int column = warpColumn + j * 8 + (lane & 7) + (lane >> 4) * 8;
        ldmatrix_x4(pair, b + chunk_place<T::ROW_BYTES>(column, k * 2 + ((lane >> 3) & 1)));
      }
      UNROLL
      for (int r = 0; r < 4; r++) fb[j + r / 2][r % 2] = Product::operand(pair[r]);
    }
    UNROLL
    for (int i = 0; i < ROWS; i++) {
      UNROLL
      for (int j = 0; j < COLUMNS; j++) Product::multiply(sums[i][j], fa[i], fb[j]);
    }
  }
}

template <typename Product, typename T, int VECTOR, WeightsLayout LAYOUT>
DEVICE void product(const ProductParams& p) {
  using Sum = typename Product::Sum;
  using Ring = TileRing<T, Product::ELEMENT_BYTES, VECTOR, LAYOUT>;
  constexpr int ROWS = T::WARP_ROWS / 16, COLUMNS = T::WARP_COLUMNS / 8;
  const BlockWork w = block_work<T::TILE_ROWS, T::TILE_COLUMNS>(p, Ring::STEP_DEPTH);
  Ring ring;
  ring.start(p, w);

  constexpr int WARPS_DOWN = T::TILE_ROWS / T::WARP_ROWS;
  const int warpRow = warp_id() % WARPS_DOWN * T::WARP_ROWS, warpColumn = warp_id() / WARPS_DOWN * T::WARP_COLUMNS;
  Sum sums[ROWS][COLUMNS][4];
  UNROLL
  for (int i = 0; i < ROWS; i++) {
    UNROLL
    for (int j = 0; j < COLUMNS; j++) {
      UNROLL
      for (int r = 0; r < 4; r++) sums[i][j][r] = 0;
    }
  }
  NO_UNROLL
  for (int step = 0; step < w.steps; step++) {
    const unsigned char* stage = ring.tile(p, w, step);
    multiply_step<Product, T, LAYOUT>(stage, stage + Ring::INPUT_BYTES, warpRow, warpColumn, sums);
  }
  cp_async_wait<0>();
  block_barrier();

  // Lane 4 g + t of an mma holds columns 2 t and 2 t + 1 of rows g and g + 8.
  Sum* tile = reinterpret_cast<Sum*>(shared_memory());
  constexpr int pitch = T::TILE_COLUMNS + SUMS_PADDING;
  UNROLL
  for (int i = 0; i < ROWS; i++) {
    UNROLL
    for (int j = 0; j < COLUMNS; j++) {
      Sum* target = tile + (warpRow + i * 16 + lane_id() / 4) * pitch + warpColumn + j * 8 + lane_id() % 4 * 2;
      *reinterpret_cast<bytes8*>(target) = bytes8{sum_bits(sums[i][j][0]), sum_bits(sums[i][j][1])};
      *reinterpret_cast<bytes8*>(target + 8 * pitch) = bytes8{sum_bits(sums[i][j][2]), sum_bits(sums[i][j][3])};
    }
  }
  finish_tile<T::TILE_ROWS, T::TILE_COLUMNS, T::THREADS>(p, w, tile);
}

/** A kernel `product_<type>_<tile>_<suffix>`. */
#define PRODUCT_KERNEL(type, Product, tile, T, suffix, vector, layout, minBlocks) \
  KERNEL_AHEAD(product_##type##_##tile##_##suffix, ProductParams, T::THREADS, minBlocks) { product<Product, T, vector, layout>(p); }
