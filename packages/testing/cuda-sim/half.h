// IEEE binary16 as bits, with the conversions of cvt.f32.f16 and cvt.rn.f16.f32.
#pragma once
#include <cstdint>
#include <cstring>
#ifdef __F16C__
#include <immintrin.h>
#endif

struct half {
  uint16_t bits;
};
struct alignas(4) half2 {
  half lo, hi;
};

namespace cuda_sim {
/** Exact; written out so that machines without F16C agree (tests compare the two). */
inline float half_bits_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = bits >> 10 & 0x1fu;
  uint32_t mantissa = bits & 0x3ffu;
  uint32_t result;
  if (exponent == 0x1f) {
    // Infinity, or a NaN made quiet.
    result = sign | 0x7f800000u | mantissa << 13 | (mantissa ? 0x400000u : 0u);
  } else if (exponent) {
    result = sign | (exponent + 112) << 23 | mantissa << 13;
  } else {
    // Zero or subnormal: mantissa * 2^-24 is exact in float32.
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    std::memcpy(&result, &magnitude, 4);
    result |= sign;
  }
  float value;
  std::memcpy(&value, &result, 4);
  return value;
}

/** To nearest, half to even; beyond 65519.99 infinity. */
inline uint16_t float_to_half_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  const uint32_t sign = bits >> 16 & 0x8000u;
  bits &= 0x7fffffffu;
  if (bits > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | (bits >> 13 & 0x3ffu));
  if (bits >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  uint32_t shift = 13, kept = bits - (112u << 23);
  if (bits < 0x38800000u) {
    // Subnormal: the significand with its leading one, shifted so that the last bit counts 2^-24.
    const uint32_t exponent = bits >> 23;
    if (exponent < 102) return static_cast<uint16_t>(sign);
    shift = 126 - exponent;
    kept = (bits & 0x7fffffu) | 0x800000u;
  }
  const uint32_t quotient = kept >> shift, rest = kept & ((1u << shift) - 1), middle = 1u << (shift - 1);
  return static_cast<uint16_t>(sign | (quotient + (rest > middle || (rest == middle && (quotient & 1)))));
}
}  // namespace cuda_sim

inline float to_float(half value) {
#ifdef __F16C__
  return _cvtsh_ss(value.bits);
#else
  return cuda_sim::half_bits_to_float(value.bits);
#endif
}
inline half to_half(float value) {
#ifdef __F16C__
  return half{_cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT)};
#else
  return half{cuda_sim::float_to_half_bits(value)};
#endif
}
