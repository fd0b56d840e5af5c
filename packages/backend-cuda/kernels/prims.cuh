// The only place with inline PTX and with anything that depends on warps or the memory model. Under g++ the twin of the same
// names, `prims_host.h` of the simulator, is included instead, so that kernels compile unchanged for both.
//
// Both provide:
//   KERNEL(name, Params) { ... p ... }            KERNEL_BOUNDED(name, Params, maxThreads, minBlocks) { ... p ... }
//   KERNEL_AHEAD (as KERNEL_BOUNDED, of bodies that call wait_for_kernel_ahead() themselves)
//   DEVICE (inline function of kernels)           UNROLL, UNROLL_BY(n), NO_UNROLL (before a loop)
//   half, half2, bytes16, bytes8                  ceil_div(a, b)
//   threadIdx.x, blockIdx.{x,y,z}, blockDim.x, gridDim.{x,y,z}, shared_memory(), lane_id(), warp_id()
//   block_barrier, warp_barrier, shuffle, shuffle_xor, shuffle_down (float, int32_t, uint32_t; the whole warp takes part)
//   cp_async_16/8/4, cp_async_commit, cp_async_wait<N>; ldmatrix_x4/x2, ldmatrix_x4_trans/x2_trans
//   mma_f16, mma_s8, mma_u8s8, mma_tf32, to_tf32; dot_s8, dot_u8s8
//   to_float, to_half, pack_half2, unpack_half2; float_bits, bits_float, double_bits, bits_double
//   mul_rn, add_rn, sub_rn, div_rn, fma_rn, round_even, float_from_int
//   exp_, log_, tanh_, erf_, sqrt_, rsqrt_, pow_, sin_, cos_, tan_, asin_, acos_, atan_, sinh_, cosh_, asinh_, acosh_, atanh_,
//   floor_, ceil_, log1p_, fmod_
//   atomic_add, atomic_max, thread_fence, thread_fence_system, store_system
#pragma once
#include <stdint.h>

#ifndef __CUDACC__
#include "prims_host.h"
#else

#define DEVICE __device__ __forceinline__
// A kernel: its body follows, in which the parameters are `p`. The body of KERNEL_AHEAD may run while the kernel ahead of it
// still does, until it calls wait_for_kernel_ahead(): before that it must touch nothing but `p` and constants.
#define KERNEL(name, Params) LOWLAT_KERNEL(name, Params, , wait_for_kernel_ahead())
#define KERNEL_BOUNDED(name, Params, maxThreads, minBlocks) \
  LOWLAT_KERNEL(name, Params, __launch_bounds__(maxThreads, minBlocks), wait_for_kernel_ahead())
#define KERNEL_AHEAD(name, Params, maxThreads, minBlocks) \
  LOWLAT_KERNEL(name, Params, __launch_bounds__(maxThreads, minBlocks), )
#define LOWLAT_KERNEL(name, Params, bounds, wait)                                \
  DEVICE void name##_body(const Params& p);                                      \
  extern "C" __global__ void bounds name(const __grid_constant__ Params p) {     \
    start_kernel_behind();                                                       \
    wait;                                                                        \
    name##_body(p);                                                              \
  }                                                                              \
  DEVICE void name##_body(const Params& p)
#define LOWLAT_PRAGMA(text) _Pragma(#text)
#define UNROLL _Pragma("unroll")
#define UNROLL_BY(n) LOWLAT_PRAGMA(unroll n)
#define NO_UNROLL _Pragma("unroll 1")

#ifdef __CUDA_ARCH__
#define LOWLAT_ARCH __CUDA_ARCH__
#else
#define LOWLAT_ARCH 0
#endif

struct half {
  uint16_t bits;
};
struct alignas(4) half2 {
  half lo, hi;
};
struct alignas(16) bytes16 {
  uint32_t x, y, z, w;
};
struct alignas(8) bytes8 {
  uint32_t x, y;
};

template <typename T>
__host__ __device__ constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

// Programmatic dependent launch (9.0 and newer; both do nothing where a kernel was launched in the ordinary way): the next kernel
// of a stream may be started when every block of this one has, and waits itself for what it reads.
DEVICE void start_kernel_behind() {
#if LOWLAT_ARCH >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
/** Waits until the kernel ahead has ended and everything that it wrote can be read. */
DEVICE void wait_for_kernel_ahead() {
#if LOWLAT_ARCH >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Threads

/** The block's dynamic shared memory, aligned to 16 bytes. */
DEVICE unsigned char* shared_memory() {
  extern __shared__ bytes16 lowlat_shared[];
  return reinterpret_cast<unsigned char*>(lowlat_shared);
}
DEVICE int lane_id() { return threadIdx.x & 31; }
DEVICE int warp_id() { return threadIdx.x >> 5; }
DEVICE void block_barrier() { __syncthreads(); }
DEVICE void warp_barrier() { __syncwarp(); }
template <typename T>
DEVICE T shuffle(T value, int lane) {
  return __shfl_sync(0xffffffffu, value, lane);
}
template <typename T>
DEVICE T shuffle_xor(T value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}
template <typename T>
DEVICE T shuffle_down(T value, int delta) {
  return __shfl_down_sync(0xffffffffu, value, delta);
}

// Copies from global to shared memory; zeros are written where not valid (nothing is read then).

DEVICE uint32_t shared_address(const void* pointer) { return static_cast<uint32_t>(__cvta_generic_to_shared(pointer)); }
#if LOWLAT_ARCH >= 800 || LOWLAT_ARCH == 0
DEVICE void cp_async_16(void* shared, const void* global, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(valid ? 16 : 0)
               : "memory");
}
DEVICE void cp_async_8(void* shared, const void* global, bool valid) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(valid ? 8 : 0)
               : "memory");
}
DEVICE void cp_async_4(void* shared, const void* global, bool valid) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(valid ? 4 : 0)
               : "memory");
}
DEVICE void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/** Waits until all but the newest N groups of this thread's copies have landed. */
template <int N>
DEVICE void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}
#else
DEVICE void cp_async_16(void* shared, const void* global, bool valid) {
  *static_cast<bytes16*>(shared) = valid ? *static_cast<const bytes16*>(global) : bytes16{0, 0, 0, 0};
}
DEVICE void cp_async_8(void* shared, const void* global, bool valid) {
  *static_cast<bytes8*>(shared) = valid ? *static_cast<const bytes8*>(global) : bytes8{0, 0};
}
DEVICE void cp_async_4(void* shared, const void* global, bool valid) {
  *static_cast<uint32_t*>(shared) = valid ? *static_cast<const uint32_t*>(global) : 0u;
}
DEVICE void cp_async_commit() {}
template <int N>
DEVICE void cp_async_wait() {}
#endif

// Matrix fragments: lane i names row i % 8 of matrix i / 8, 16 bytes each.

DEVICE void ldmatrix_x4(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}
DEVICE void ldmatrix_x2(uint32_t (&r)[2], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(row))
               : "memory");
}
DEVICE void ldmatrix_x4_trans(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}
DEVICE void ldmatrix_x2_trans(uint32_t (&r)[2], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(row))
               : "memory");
}

// Matrix products d += a b in the fragment layouts of mma.sync; 7.5 has smaller shapes, of which the same ones are built.

/** m16n8k16, float16 with float32 sums. */
DEVICE void mma_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if LOWLAT_ARCH >= 800 || LOWLAT_ARCH == 0
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  UNROLL
  for (int k = 0; k < 2; k++)
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[2 * k]), "r"(a[2 * k + 1]), "r"(b[k]));
#endif
}

#if LOWLAT_ARCH >= 800 || LOWLAT_ARCH == 0
#define LOWLAT_MMA_INT8(name, type)                                                                                  \
  DEVICE void name(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {                               \
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32." type                                                      \
                 ".s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"                           \
                 : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])                                                    \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));                                \
  }
#else
#define LOWLAT_MMA_INT8(name, type)                                                                                  \
  DEVICE void name(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {                               \
    UNROLL                                                                                                           \
    for (int part = 0; part < 4; part++) {                                                                           \
      const int rows = part & 1, k = part >> 1;                                                                      \
      asm volatile("mma.sync.aligned.m8n8k16.row.col.s32." type ".s8.s32 {%0, %1}, {%2}, {%3}, {%0, %1};"             \
                   : "+r"(d[2 * rows]), "+r"(d[2 * rows + 1])                                                        \
                   : "r"(a[part]), "r"(b[k]));                                                                       \
    }                                                                                                                \
  }
#endif
/** m16n8k32, int8 by int8 with int32 sums. */
LOWLAT_MMA_INT8(mma_s8, "s8")
/** m16n8k32, uint8 by int8 with int32 sums. */
LOWLAT_MMA_INT8(mma_u8s8, "u8")

/** m16n8k8, TF32 (float32 bits rounded by `to_tf32`) with float32 sums; wants 8.0. */
DEVICE void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if LOWLAT_ARCH >= 800 || LOWLAT_ARCH == 0
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  asm volatile("trap;");
#endif
}
DEVICE uint32_t to_tf32(float value) {
#if LOWLAT_ARCH >= 800 || LOWLAT_ARCH == 0
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
#else
  return __float_as_uint(value);
#endif
}
/** c + the products of four signed bytes each. */
DEVICE int32_t dot_s8(int32_t a, int32_t b, int32_t c) {
  int32_t d;
  asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}
/** c + the products of four unsigned bytes (a) and four signed ones (b). */
DEVICE int32_t dot_u8s8(int32_t a, int32_t b, int32_t c) {
  int32_t d;
  asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}

// Numbers

DEVICE float bits_float(uint32_t bits) { return __uint_as_float(bits); }
DEVICE uint32_t float_bits(float value) { return __float_as_uint(value); }
DEVICE double bits_double(uint64_t bits) { return __longlong_as_double(static_cast<long long>(bits)); }
DEVICE uint64_t double_bits(double value) { return static_cast<uint64_t>(__double_as_longlong(value)); }
DEVICE float to_float(half value) {
  float result;
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value.bits));
  return result;
}
/** To nearest, half to even. */
DEVICE half to_half(float value) {
  half result;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
  return result;
}
DEVICE uint32_t pack_half2(float lo, float hi) {
#if LOWLAT_ARCH >= 800 || LOWLAT_ARCH == 0
  uint32_t bits;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(hi), "f"(lo));
  return bits;
#else
  return static_cast<uint32_t>(to_half(lo).bits) | static_cast<uint32_t>(to_half(hi).bits) << 16;
#endif
}
DEVICE void unpack_half2(uint32_t bits, float& lo, float& hi) {
  lo = to_float(half{static_cast<uint16_t>(bits)});
  hi = to_float(half{static_cast<uint16_t>(bits >> 16)});
}
// Never contracted into a fused multiply-add.
DEVICE float mul_rn(float a, float b) { return __fmul_rn(a, b); }
DEVICE float add_rn(float a, float b) { return __fadd_rn(a, b); }
DEVICE float sub_rn(float a, float b) { return __fsub_rn(a, b); }
DEVICE float div_rn(float a, float b) { return __fdiv_rn(a, b); }
DEVICE float fma_rn(float a, float b, float c) { return __fmaf_rn(a, b, c); }
DEVICE float round_even(float value) { return rintf(value); }
DEVICE float float_from_int(int32_t value) { return __int2float_rn(value); }
DEVICE float exp_(float x) { return expf(x); }
DEVICE float log_(float x) { return logf(x); }
DEVICE float log1p_(float x) { return log1pf(x); }
DEVICE float tanh_(float x) { return tanhf(x); }
DEVICE float erf_(float x) { return erff(x); }
DEVICE float sqrt_(float x) { return __fsqrt_rn(x); }
DEVICE float rsqrt_(float x) { return rsqrtf(x); }
DEVICE float pow_(float x, float y) { return powf(x, y); }
DEVICE float fmod_(float x, float y) { return fmodf(x, y); }
DEVICE float sin_(float x) { return sinf(x); }
DEVICE float cos_(float x) { return cosf(x); }
DEVICE float tan_(float x) { return tanf(x); }
DEVICE float asin_(float x) { return asinf(x); }
DEVICE float acos_(float x) { return acosf(x); }
DEVICE float atan_(float x) { return atanf(x); }
DEVICE float sinh_(float x) { return sinhf(x); }
DEVICE float cosh_(float x) { return coshf(x); }
DEVICE float asinh_(float x) { return asinhf(x); }
DEVICE float acosh_(float x) { return acoshf(x); }
DEVICE float atanh_(float x) { return atanhf(x); }
DEVICE float floor_(float x) { return floorf(x); }
DEVICE float ceil_(float x) { return ceilf(x); }

// Between blocks, and between device and host

template <typename T>
DEVICE T atomic_add(T* address, T value) {
  return atomicAdd(address, value);
}
DEVICE int32_t atomic_max(int32_t* address, int32_t value) { return atomicMax(address, value); }
DEVICE void thread_fence() { __threadfence(); }
DEVICE void thread_fence_system() { __threadfence_system(); }
/** A store that the host sees as a whole and in order with what a system fence precedes. */
DEVICE void store_system(uint32_t* address, uint32_t value) {
  *reinterpret_cast<volatile uint32_t*>(address) = value;
}

#endif
