// The host twin of kernels/prims.cuh: the same names, run by the simulator. Kernels compile unchanged for both.
// What differs from hardware is said where it is declared, here or in simt.h.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "half.h"
#include "simt.h"

#define DEVICE inline
/**
 * Each kernel exports an entry that takes its parameters by address, and their size. As on the device, all but KERNEL_AHEAD
 * wait first for the kernel ahead.
 */
#define KERNEL(name, Params) LOWLAT_KERNEL(name, Params, wait_for_kernel_ahead())
#define LOWLAT_KERNEL(name, Params, wait)                                         \
  static void name(const Params& p);                                              \
  extern "C" void lowlat_kernel_##name(const Params* p) {                         \
    wait;                                                                         \
    name(*p);                                                                     \
  }                                                                               \
  extern "C" const uint32_t lowlat_kernel_params_##name = sizeof(Params);         \
  static void name(const Params& p)
/** Launches with more threads than promised are refused, as by the real driver. */
#define KERNEL_BOUNDED(name, Params, maxThreads, minBlocks)                       \
  extern "C" const uint32_t lowlat_kernel_threads_##name = maxThreads;            \
  KERNEL(name, Params)
#define KERNEL_AHEAD(name, Params, maxThreads, minBlocks)                         \
  extern "C" const uint32_t lowlat_kernel_threads_##name = maxThreads;            \
  LOWLAT_KERNEL(name, Params, )
#define UNROLL
#define UNROLL_BY(n)
#define NO_UNROLL

#define threadIdx (::cuda_sim::current->index)
#define blockIdx (::cuda_sim::current->block->block_index)
#define blockDim (::cuda_sim::current->block->block_size)
#define gridDim (::cuda_sim::current->block->grid_size)

struct alignas(16) bytes16 {
  uint32_t x, y, z, w;
};
struct alignas(8) bytes8 {
  uint32_t x, y;
};

template <typename T>
constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

/** Every kernel lets the one behind start at once. */
DEVICE void start_kernel_behind() {}
DEVICE void wait_for_kernel_ahead() { cuda_sim::wait_for_kernel_ahead(); }

// Threads

DEVICE unsigned char* shared_memory() { return cuda_sim::current->block->shared; }
DEVICE int lane_id() { return cuda_sim::current->index.x & 31; }
DEVICE int warp_id() { return cuda_sim::current->index.x >> 5; }
DEVICE void block_barrier() { cuda_sim::block_barrier(); }
DEVICE void warp_barrier() { cuda_sim::warp_barrier(); }

template <typename T>
DEVICE T shuffle(T value, int lane) {
  static_assert(sizeof(T) == 4, "shuffles move 32 bits");
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  bits = cuda_sim::shuffle(bits, lane & 31);
  std::memcpy(&value, &bits, 4);
  return value;
}
template <typename T>
DEVICE T shuffle_xor(T value, int mask) {
  return shuffle(value, lane_id() ^ mask);
}
/** Lanes beyond the end get their own value, as __shfl_down_sync gives. */
template <typename T>
DEVICE T shuffle_down(T value, int delta) {
  const int lane = lane_id() + delta;
  return shuffle(value, lane < 32 ? lane : lane_id());
}

// Copies from global to shared memory

DEVICE void cp_async_16(void* shared, const void* global, bool valid) { cuda_sim::copy_async(shared, global, 16, valid); }
DEVICE void cp_async_8(void* shared, const void* global, bool valid) { cuda_sim::copy_async(shared, global, 8, valid); }
DEVICE void cp_async_4(void* shared, const void* global, bool valid) { cuda_sim::copy_async(shared, global, 4, valid); }
DEVICE void cp_async_commit() { cuda_sim::copy_async_commit(); }
template <int N>
DEVICE void cp_async_wait() {
  cuda_sim::copy_async_wait(N);
}

// Matrix fragments and products

DEVICE void ldmatrix_x4(uint32_t (&r)[4], const void* row) { cuda_sim::load_matrices_x4(r, row); }
DEVICE void ldmatrix_x2(uint32_t (&r)[2], const void* row) { cuda_sim::load_matrices_x2(r, row); }
DEVICE void ldmatrix_x4_trans(uint32_t (&r)[4], const void* row) { cuda_sim::load_matrices_x4_transposed(r, row); }
DEVICE void ldmatrix_x2_trans(uint32_t (&r)[2], const void* row) { cuda_sim::load_matrices_x2_transposed(r, row); }
DEVICE void mma_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { cuda_sim::multiply_f16(d, a, b); }
DEVICE void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { cuda_sim::multiply_tf32(d, a, b); }
DEVICE void mma_s8(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { cuda_sim::multiply_s8(d, a, b); }
DEVICE void mma_u8s8(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { cuda_sim::multiply_u8s8(d, a, b); }
DEVICE int32_t dot_s8(int32_t a, int32_t b, int32_t c) {
  for (int i = 0; i < 32; i += 8) c += static_cast<int8_t>(a >> i) * static_cast<int8_t>(b >> i);
  return c;
}
DEVICE int32_t dot_u8s8(int32_t a, int32_t b, int32_t c) {
  for (int i = 0; i < 32; i += 8) c += static_cast<uint8_t>(a >> i) * static_cast<int8_t>(b >> i);
  return c;
}

// Numbers. Compiled with -ffp-contract=off, so that only fma_rn fuses.

DEVICE float bits_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}
DEVICE uint32_t float_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}
DEVICE double bits_double(uint64_t bits) {
  double value;
  std::memcpy(&value, &bits, 8);
  return value;
}
DEVICE uint64_t double_bits(double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, 8);
  return bits;
}
/** Ten bits of mantissa: to nearest, ties away from zero (cvt.rna). */
DEVICE uint32_t to_tf32(float value) {
  const uint32_t bits = float_bits(value);
  if ((bits & 0x7f800000u) == 0x7f800000u) return bits;
  return (bits + 0x1000u) & ~0x1fffu;
}
DEVICE uint32_t pack_half2(float lo, float hi) { return to_half(lo).bits | static_cast<uint32_t>(to_half(hi).bits) << 16; }
DEVICE void unpack_half2(uint32_t bits, float& lo, float& hi) {
  lo = to_float(half{static_cast<uint16_t>(bits)});
  hi = to_float(half{static_cast<uint16_t>(bits >> 16)});
}
DEVICE float mul_rn(float a, float b) { return a * b; }
DEVICE float add_rn(float a, float b) { return a + b; }
DEVICE float sub_rn(float a, float b) { return a - b; }
DEVICE float div_rn(float a, float b) { return a / b; }
DEVICE float fma_rn(float a, float b, float c) { return std::fma(a, b, c); }
DEVICE float round_even(float value) { return std::nearbyint(value); }
DEVICE float float_from_int(int32_t value) { return static_cast<float>(value); }
DEVICE float exp_(float x) { return std::exp(x); }
DEVICE float log_(float x) { return std::log(x); }
DEVICE float log1p_(float x) { return std::log1p(x); }
DEVICE float tanh_(float x) { return std::tanh(x); }
DEVICE float erf_(float x) { return std::erf(x); }
DEVICE float sqrt_(float x) { return std::sqrt(x); }
DEVICE float rsqrt_(float x) { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(x))); }
DEVICE float pow_(float x, float y) { return std::pow(x, y); }
DEVICE float fmod_(float x, float y) { return std::fmod(x, y); }
DEVICE float sin_(float x) { return std::sin(x); }
DEVICE float cos_(float x) { return std::cos(x); }
DEVICE float tan_(float x) { return std::tan(x); }
DEVICE float asin_(float x) { return std::asin(x); }
DEVICE float acos_(float x) { return std::acos(x); }
DEVICE float atan_(float x) { return std::atan(x); }
DEVICE float sinh_(float x) { return std::sinh(x); }
DEVICE float cosh_(float x) { return std::cosh(x); }
DEVICE float asinh_(float x) { return std::asinh(x); }
DEVICE float acosh_(float x) { return std::acosh(x); }
DEVICE float atanh_(float x) { return std::atanh(x); }
DEVICE float floor_(float x) { return std::floor(x); }
DEVICE float ceil_(float x) { return std::ceil(x); }

// Between blocks, and between device and host. Threads may change places before each atomic and at each fence.

DEVICE float atomic_add(float* address, float value) { return cuda_sim::atomic_add(address, value); }
DEVICE int32_t atomic_add(int32_t* address, int32_t value) { return cuda_sim::atomic_add(address, value); }
DEVICE uint32_t atomic_add(uint32_t* address, uint32_t value) { return cuda_sim::atomic_add(address, value); }
DEVICE int32_t atomic_max(int32_t* address, int32_t value) { return cuda_sim::atomic_max(address, value); }
DEVICE void thread_fence() { cuda_sim::memory_fence(); }
DEVICE void thread_fence_system() { cuda_sim::memory_fence(); }
DEVICE void store_system(uint32_t* address, uint32_t value) { __atomic_store_n(address, value, __ATOMIC_RELEASE); }
