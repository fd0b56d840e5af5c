// Matrix fragments and products of a warp, in the layouts that PTX documents for ldmatrix and mma.sync.
#include <cstring>

#include "grid.h"
#include "half.h"
#include "warp.h"

namespace cuda_sim {
namespace {

struct FragmentLoad {
  uint32_t* fragment;
  const void* row;
};

/**
 * Matrix m of 8x8 halves has its row r at the address of lane 8 m + r. Lane i gets, in register m, the halves 2 (i % 4) and
 * the next one of row i / 4; transposed, of column i / 4.
 */
template <uint32_t matrices, bool transposed>
void load_all(void* const* arguments) {
  for (uint32_t m = 0; m < matrices; m++) {
    uint16_t matrix[8][8];
    for (uint32_t r = 0; r < 8; r++) std::memcpy(matrix[r], static_cast<const FragmentLoad*>(arguments[8 * m + r])->row, 16);
    for (uint32_t lane = 0; lane < warp_threads; lane++) {
      const uint32_t i = lane / 4, j = lane % 4 * 2;
      const uint32_t lo = transposed ? matrix[j][i] : matrix[i][j];
      const uint32_t hi = transposed ? matrix[j + 1][i] : matrix[i][j + 1];
      static_cast<const FragmentLoad*>(arguments[lane])->fragment[m] = lo | hi << 16;
    }
  }
}

template <uint32_t matrices, bool transposed>
void load(uint32_t* fragment, const void* row) {
  if (current->index.x % warp_threads < 8 * matrices) check_shared(row, 16, "the row of ldmatrix");
  FragmentLoad mine = {fragment, row};
  warp_operation(load_all<matrices, transposed>, &mine);
}

template <typename Number>
struct Product {
  Number* d;
  const uint32_t *a, *b;
};

/** Eight columns of one row. */
typedef float Row __attribute__((vector_size(32)));
static_assert(sizeof(Row) == 32);

/** The fragments of a warp as words of matrices: a is [16][8], row-major; b is [8][8], one column after the other. */
template <typename Number>
void gather(void* const* arguments, uint32_t (&a)[16][8], uint32_t (&b)[8][8]) {
  for (uint32_t lane = 0; lane < warp_threads; lane++) {
    const auto* mine = static_cast<const Product<Number>*>(arguments[lane]);
    const uint32_t group = lane / 4, member = lane % 4;
    a[group][member] = mine->a[0];
    a[group + 8][member] = mine->a[1];
    a[group][member + 4] = mine->a[2];
    a[group + 8][member + 4] = mine->a[3];
    b[group][member] = mine->b[0];
    b[group][member + 4] = mine->b[1];
  }
}

template <typename Number, typename Get>
void gather_sums(void* const* arguments, float (&c)[16][8], Get get) {
  for (uint32_t lane = 0; lane < warp_threads; lane++) {
    const auto* mine = static_cast<const Product<Number>*>(arguments[lane]);
    const uint32_t group = lane / 4, column = lane % 4 * 2;
    for (uint32_t i = 0; i < 4; i++) c[group + i / 2 * 8][column + i % 2] = get(mine->d[i]);
  }
}

template <typename Number, typename Put>
void scatter_sums(void* const* arguments, const float (&c)[16][8], Put put) {
  for (uint32_t lane = 0; lane < warp_threads; lane++) {
    const auto* mine = static_cast<const Product<Number>*>(arguments[lane]);
    const uint32_t group = lane / 4, column = lane % 4 * 2;
    for (uint32_t i = 0; i < 4; i++) put(mine->d[i], c[group + i / 2 * 8][column + i % 2]);
  }
}

/** c += a b, in order of k. */
template <uint32_t K>
void multiply(float (&c)[16][8], const float (&a)[16][K], const float (&b)[K][8]) {
  for (uint32_t i = 0; i < 16; i++) {
    Row sum, row;
    std::memcpy(&sum, c[i], sizeof sum);
    for (uint32_t k = 0; k < K; k++) {
      std::memcpy(&row, b[k], sizeof row);
      sum += a[i][k] * row;
    }
    std::memcpy(c[i], &sum, sizeof sum);
  }
}

/** Words to numbers, `per_word` of them each. `convert(word, i)` gives the i-th. */
template <uint32_t per_word, typename ConvertA, typename ConvertB>
void unpack(const uint32_t (&words_a)[16][8], const uint32_t (&words_b)[8][8], float (&a)[16][8 * per_word],
            float (&b)[8 * per_word][8], ConvertA convert_a, ConvertB convert_b) {
  for (uint32_t row = 0; row < 16; row++)
    for (uint32_t k = 0; k < 8 * per_word; k++) a[row][k] = convert_a(words_a[row][k / per_word], k % per_word);
  for (uint32_t column = 0; column < 8; column++)
    for (uint32_t k = 0; k < 8 * per_word; k++) b[k][column] = convert_b(words_b[column][k / per_word], k % per_word);
}

inline float half_of(uint32_t word, uint32_t i) { return to_float(half{static_cast<uint16_t>(word >> 16 * i)}); }
inline float signed_byte_of(uint32_t word, uint32_t i) { return static_cast<int8_t>(word >> 8 * i); }
inline float unsigned_byte_of(uint32_t word, uint32_t i) { return static_cast<uint8_t>(word >> 8 * i); }

void multiply_f16_all(void* const* arguments) {
  uint32_t words_a[16][8], words_b[8][8];
  float a[16][16], b[16][8], c[16][8];
  gather<float>(arguments, words_a, words_b);
  unpack<2>(words_a, words_b, a, b, half_of, half_of);
  gather_sums<float>(arguments, c, [](float d) { return d; });
  multiply<16>(c, a, b);
  scatter_sums<float>(arguments, c, [](float& d, float sum) { d = sum; });
  running_grid->count().flops += 2 * 16 * 8 * 16;
}

/** Four words of a row of a and of a column of b: the registers are as for f16, with one number each. */
void multiply_tf32_all(void* const* arguments) {
  uint32_t words_a[16][8], words_b[8][8];
  float a[16][8], b[8][8], c[16][8];
  gather<float>(arguments, words_a, words_b);
  // The low 13 bits of the registers are not read by hardware.
  const auto number = [](uint32_t word, uint32_t) {
    word &= ~0x1fffu;
    float value;
    std::memcpy(&value, &word, 4);
    return value;
  };
  unpack<1>(words_a, words_b, a, b, number, number);
  gather_sums<float>(arguments, c, [](float d) { return d; });
  multiply<8>(c, a, b);
  scatter_sums<float>(arguments, c, [](float& d, float sum) { d = sum; });
  running_grid->count().flops += 2 * 16 * 8 * 8;
}

/** The sum of 32 products is below 2^24 in magnitude, so that float32 holds it exactly. */
template <bool unsigned_a>
void multiply_int8_all(void* const* arguments) {
  uint32_t words_a[16][8], words_b[8][8];
  float a[16][32], b[32][8], c[16][8] = {};
  gather<int32_t>(arguments, words_a, words_b);
  unpack<4>(words_a, words_b, a, b, unsigned_a ? unsigned_byte_of : signed_byte_of, signed_byte_of);
  multiply<32>(c, a, b);
  scatter_sums<int32_t>(arguments, c, [](int32_t& d, float sum) {
    d = static_cast<int32_t>(static_cast<uint32_t>(d) + static_cast<uint32_t>(static_cast<int32_t>(sum)));
  });
  running_grid->count().flops += 2 * 16 * 8 * 32;
}

template <typename Number>
void product(WarpOperation operation, Number* d, const uint32_t* a, const uint32_t* b) {
  Product<Number> mine = {d, a, b};
  warp_operation(operation, &mine);
}

}  // namespace

void load_matrices_x4(uint32_t* fragment, const void* row) { load<4, false>(fragment, row); }
void load_matrices_x2(uint32_t* fragment, const void* row) { load<2, false>(fragment, row); }
void load_matrices_x4_transposed(uint32_t* fragment, const void* row) { load<4, true>(fragment, row); }
void load_matrices_x2_transposed(uint32_t* fragment, const void* row) { load<2, true>(fragment, row); }

void multiply_f16(float* d, const uint32_t* a, const uint32_t* b) { product(multiply_f16_all, d, a, b); }
void multiply_tf32(float* d, const uint32_t* a, const uint32_t* b) { product(multiply_tf32_all, d, a, b); }
void multiply_s8(int32_t* d, const uint32_t* a, const uint32_t* b) { product(multiply_int8_all<false>, d, a, b); }
void multiply_u8s8(int32_t* d, const uint32_t* a, const uint32_t* b) { product(multiply_int8_all<true>, d, a, b); }

}  // namespace cuda_sim
