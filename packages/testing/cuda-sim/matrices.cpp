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
    uint32_t words[8][4];
    for (uint32_t r = 0; r < 8; r++) std::memcpy(words[r], static_cast<const FragmentLoad*>(arguments[8 * m + r])->row, 16);
    for (uint32_t lane = 0; lane < warp_threads; lane++) {
      const uint32_t i = lane / 4, j = lane % 4;
      uint32_t word = words[i][j];
      // Column i of rows 2 j and 2 j + 1.
      if (transposed) word = (words[2 * j][i / 2] >> i % 2 * 16 & 0xffff) | words[2 * j + 1][i / 2] >> i % 2 * 16 << 16;
      static_cast<const FragmentLoad*>(arguments[lane])->fragment[m] = word;
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

template <typename Number>
void gather_sums(void* const* arguments, float (&c)[16][8]) {
  for (uint32_t lane = 0; lane < warp_threads; lane++) {
    const auto* mine = static_cast<const Product<Number>*>(arguments[lane]);
    const uint32_t group = lane / 4, column = lane % 4 * 2;
    for (uint32_t i = 0; i < 4; i++) c[group + i / 2 * 8][column + i % 2] = mine->d[i];
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
  // Rows at once, since each sum has to wait for the one before it.
  constexpr uint32_t at_once = 8;
  for (uint32_t first = 0; first < 16; first += at_once) {
    Row sums[at_once], row;
    std::memcpy(sums, c[first], sizeof sums);
    for (uint32_t k = 0; k < K; k++) {
      std::memcpy(&row, b[k], sizeof row);
      for (uint32_t i = 0; i < at_once; i++) sums[i] += a[first + i][k] * row;
    }
    std::memcpy(c[first], sums, sizeof sums);
  }
}

/** What a format's words hold. */
struct Half {
  using Element = uint16_t;
  static void convert(const Element* from, float* to, size_t count) {
#ifdef __F16C__
    for (size_t i = 0; i < count; i += 8)
      _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
#else
    for (size_t i = 0; i < count; i++) to[i] = half_bits_to_float(from[i]);
#endif
  }
};
struct Tf32 {
  using Element = uint32_t;
  /** The low 13 bits of the registers are not read by hardware. */
  static void convert(const Element* from, float* to, size_t count) {
    for (size_t i = 0; i < count; i++) {
      const uint32_t bits = from[i] & ~0x1fffu;
      std::memcpy(to + i, &bits, 4);
    }
  }
};
template <typename Integer>
struct Byte {
  using Element = Integer;
  static void convert(const Element* from, float* to, size_t count) {
    for (size_t i = 0; i < count; i++) to[i] = from[i];
  }
};

/** The fragments of a warp as matrices of floats. */
template <typename Number, typename A, typename B, uint32_t K>
void gather_numbers(void* const* arguments, float (&a)[16][K], float (&b)[K][8]) {
  static_assert(K * sizeof(typename A::Element) == 32 && K * sizeof(typename B::Element) == 32);
  uint32_t words_a[16][8], words_b[8][8];
  gather<Number>(arguments, words_a, words_b);
  typename A::Element elements_a[16 * K];
  typename B::Element elements_b[8 * K];
  std::memcpy(elements_a, words_a, sizeof words_a);
  std::memcpy(elements_b, words_b, sizeof words_b);
  float columns[8][K];
  A::convert(elements_a, a[0], 16 * K);
  B::convert(elements_b, columns[0], 8 * K);
  for (uint32_t k = 0; k < K; k++)
    for (uint32_t column = 0; column < 8; column++) b[k][column] = columns[column][k];
}

template <typename Format, uint32_t K>
void multiply_floats_all(void* const* arguments) {
  float a[16][K], b[K][8], c[16][8];
  gather_numbers<float, Format, Format>(arguments, a, b);
  gather_sums<float>(arguments, c);
  multiply<K>(c, a, b);
  scatter_sums<float>(arguments, c, [](float& d, float sum) { d = sum; });
  running_grid->count().flops += 2 * 16 * 8 * K;
}

/** The sum of 32 products is below 2^24 in magnitude, so that float32 holds it exactly. */
template <typename A>
void multiply_integers_all(void* const* arguments) {
  float a[16][32], b[32][8], c[16][8] = {};
  gather_numbers<int32_t, A, Byte<int8_t>>(arguments, a, b);
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

void multiply_f16(float* d, const uint32_t* a, const uint32_t* b) { product(multiply_floats_all<Half, 16>, d, a, b); }
void multiply_tf32(float* d, const uint32_t* a, const uint32_t* b) { product(multiply_floats_all<Tf32, 8>, d, a, b); }
void multiply_s8(int32_t* d, const uint32_t* a, const uint32_t* b) { product(multiply_integers_all<Byte<int8_t>>, d, a, b); }
void multiply_u8s8(int32_t* d, const uint32_t* a, const uint32_t* b) { product(multiply_integers_all<Byte<uint8_t>>, d, a, b); }

}  // namespace cuda_sim
