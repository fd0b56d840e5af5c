// The matrix product in float32 on the ordinary units: every thread sums up a grid of outputs over a ring of tiles.
#include "product_load.cuh"

/** THREADS_DOWN x THREADS_ACROSS threads with EACH_ROWS x EACH_COLUMNS outputs, a whole tile apart from each other. */
template <int TILE_ROWS_, int TILE_COLUMNS_, int EACH_ROWS_, int EACH_COLUMNS_, int STAGES_>
struct SimtTile {
  static constexpr int TILE_ROWS = TILE_ROWS_, TILE_COLUMNS = TILE_COLUMNS_;
  static constexpr int EACH_ROWS = EACH_ROWS_, EACH_COLUMNS = EACH_COLUMNS_;
  static constexpr int THREADS_DOWN = TILE_ROWS / EACH_ROWS, THREADS_ACROSS = TILE_COLUMNS / EACH_COLUMNS;
  static constexpr int THREADS = THREADS_DOWN * THREADS_ACROSS;
  static constexpr int ROW_BYTES = 64, STAGES = STAGES_;
};
using Simt128x64 = SimtTile<128, 64, 8, 8, 4>;
using Simt64x64 = SimtTile<64, 64, 8, 4, 4>;
using Simt64x32 = SimtTile<64, 32, 4, 4, 4>;
using Simt32x32 = SimtTile<32, 32, 4, 4, 4>;

DEVICE void load_4(float (&v)[4], const unsigned char* from) {
  const bytes16 bits = *reinterpret_cast<const bytes16*>(from);
  v[0] = bits_float(bits.x), v[1] = bits_float(bits.y), v[2] = bits_float(bits.z), v[3] = bits_float(bits.w);
}

template <typename T, int VECTOR, WeightsLayout LAYOUT>
DEVICE void product_f32(const ProductParams& p) {
  using Ring = TileRing<T, 4, VECTOR, LAYOUT>;
  const BlockWork w = block_work<T::TILE_ROWS, T::TILE_COLUMNS>(p, Ring::STEP_DEPTH);
  Ring ring;
  ring.start(p, w);

  const int threadColumn = threadIdx.x % T::THREADS_ACROSS, threadRow = threadIdx.x / T::THREADS_ACROSS;
  float sums[T::EACH_ROWS][T::EACH_COLUMNS];
  UNROLL
  for (int i = 0; i < T::EACH_ROWS; i++) {
    UNROLL
    for (int j = 0; j < T::EACH_COLUMNS; j++) sums[i][j] = 0.0f;
  }
  NO_UNROLL
  for (int step = 0; step < w.steps; step++) {
    const unsigned char* a = ring.tile(p, w, step);
    const unsigned char* b = a + Ring::INPUT_BYTES;
    UNROLL
    for (int chunk = 0; chunk < T::ROW_BYTES / 16; chunk++) {
      float fb[T::EACH_COLUMNS][4];
      UNROLL
      for (int j = 0; j < T::EACH_COLUMNS; j++) {
        const int column = threadColumn + j * T::THREADS_ACROSS;
        if constexpr (LAYOUT == WEIGHTS_BY_DEPTH) {
          UNROLL
          for (int k = 0; k < 4; k++) {
            const unsigned char* from = b + chunk_place<T::TILE_COLUMNS * 4>(chunk * 4 + k, column / 4);
            fb[j][k] = reinterpret_cast<const float*>(from)[column % 4];
          }
        } else {
          load_4(fb[j], b + chunk_place<T::ROW_BYTES>(column, chunk));
        }
      }
      UNROLL
      for (int i = 0; i < T::EACH_ROWS; i++) {
        float fa[4];
        load_4(fa, a + chunk_place<T::ROW_BYTES>(threadRow + i * T::THREADS_DOWN, chunk));
        UNROLL
        for (int k = 0; k < 4; k++) {
          UNROLL
          for (int j = 0; j < T::EACH_COLUMNS; j++) sums[i][j] = fma_rn(fa[k], fb[j][k], sums[i][j]);
        }
      }
    }
  }
  cp_async_wait<0>();
  block_barrier();

  float* tile = reinterpret_cast<float*>(shared_memory());
  UNROLL
  for (int i = 0; i < T::EACH_ROWS; i++) {
    UNROLL
    for (int j = 0; j < T::EACH_COLUMNS; j++)
      tile[(threadRow + i * T::THREADS_DOWN) * (T::TILE_COLUMNS + SUMS_PADDING) + threadColumn + j * T::THREADS_ACROSS] = sums[i][j];
  }
  finish_tile<T::TILE_ROWS, T::TILE_COLUMNS, T::THREADS>(p, w, tile);
}

#define SIMT_KERNEL(tile, T, suffix, vector, layout, minBlocks) \
  KERNEL_AHEAD(product_f32_##tile##_##suffix, ProductParams, T::THREADS, minBlocks) { product_f32<T, vector, layout>(p); }

SIMT_KERNEL(128x64, Simt128x64, v16, 16, WEIGHTS_BY_COLUMN, 2)
SIMT_KERNEL(64x64, Simt64x64, v16, 16, WEIGHTS_BY_COLUMN, 3)
SIMT_KERNEL(64x32, Simt64x32, v16, 16, WEIGHTS_BY_COLUMN, 4)
SIMT_KERNEL(32x32, Simt32x32, v16, 16, WEIGHTS_BY_COLUMN, 8)
SIMT_KERNEL(64x64, Simt64x64, v16_depth, 16, WEIGHTS_BY_DEPTH, 3)
SIMT_KERNEL(64x64, Simt64x64, any, 0, WEIGHTS_BY_COLUMN, 3)
SIMT_KERNEL(64x32, Simt64x32, any, 0, WEIGHTS_BY_COLUMN, 4)
SIMT_KERNEL(64x32, Simt64x32, any_any, 0, WEIGHTS_ANY, 4)
