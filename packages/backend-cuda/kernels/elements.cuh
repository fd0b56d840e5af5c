// How elements are stored, the codes of `elementCodes` in src/kernels/elements.ts, and what they are as numbers.
#pragma once
#include "prims.cuh"

enum ElementType : int32_t {
  FLOAT32 = 0,
  FLOAT16 = 1,
  INT8 = 2,
  UINT8 = 3,
  INT16 = 4,
  UINT16 = 5,
  INT32 = 6,
  UINT32 = 7,
  INT64 = 8,
  UINT64 = 9,
  BOOL = 10,
  FLOAT64 = 11,
  BFLOAT16 = 12,
};

/** 0, 1, 2, 3 for 1, 2, 4, 8 bytes. */
DEVICE int32_t log2_bytes(int32_t type) {
  // Two bits per type, the first type in the lowest ones.
  constexpr uint32_t widths = 2u | 1u << 2 | 0u << 4 | 0u << 6 | 1u << 8 | 1u << 10 | 2u << 12 | 2u << 14 | 3u << 16 | 3u << 18 |
                              0u << 20 | 3u << 22 | 1u << 24;
  return static_cast<int32_t>(widths >> (2 * type) & 3u);
}

/** Toward zero; what does not fit becomes the nearest limit, NaN the lowest one. Narrower integers take its low bits. */
template <typename Float>
DEVICE int64_t to_int64(Float value) {
  if (!(value > Float(-9223372036854775808.0))) return INT64_MIN;
  if (value >= Float(9223372036854775808.0)) return INT64_MAX;
  return static_cast<int64_t>(value);
}

DEVICE float convert(float value, float) { return value; }
DEVICE float convert(double value, float) { return static_cast<float>(value); }
DEVICE float convert(int64_t value, float) { return static_cast<float>(value); }
DEVICE float convert(uint64_t value, float) { return static_cast<float>(value); }
DEVICE double convert(float value, double) { return value; }
DEVICE double convert(double value, double) { return value; }
DEVICE double convert(int64_t value, double) { return static_cast<double>(value); }
DEVICE double convert(uint64_t value, double) { return static_cast<double>(value); }
DEVICE int64_t convert(float value, int64_t) { return to_int64(value); }
DEVICE int64_t convert(double value, int64_t) { return to_int64(value); }
DEVICE int64_t convert(int64_t value, int64_t) { return value; }
DEVICE int64_t convert(uint64_t value, int64_t) { return static_cast<int64_t>(value); }
DEVICE float convert(int32_t value, float) { return static_cast<float>(value); }
DEVICE double convert(int32_t value, double) { return value; }
DEVICE int64_t convert(int32_t value, int64_t) { return value; }
DEVICE float convert(uint32_t value, float) { return static_cast<float>(value); }
DEVICE double convert(uint32_t value, double) { return value; }
DEVICE int64_t convert(uint32_t value, int64_t) { return value; }

/** The upper half of a float32, to nearest, half to even. */
DEVICE uint32_t bfloat16_bits(float value) {
  const uint32_t bits = float_bits(value);
  if (value != value) return bits >> 16 | 0x40u;
  return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

/** The number that an element of at most four bytes stands for. */
template <typename T>
DEVICE T decode_narrow(uint32_t bits, int32_t type) {
  switch (type) {
    case FLOAT32: return convert(bits_float(bits), T());
    case FLOAT16: return convert(to_float(half{static_cast<uint16_t>(bits)}), T());
    case BFLOAT16: return convert(bits_float(bits << 16), T());
    case INT8: return convert(static_cast<int32_t>(static_cast<int8_t>(bits)), T());
    case INT16: return convert(static_cast<int32_t>(static_cast<int16_t>(bits)), T());
    case INT32: return convert(static_cast<int32_t>(bits), T());
    case BOOL: return convert(static_cast<int32_t>(bits != 0), T());
    default: return convert(bits, T());
  }
}

/** The number that an element of eight bytes stands for. */
template <typename T>
DEVICE T decode_wide(uint64_t bits, int32_t type) {
  if (type == FLOAT64) return convert(bits_double(bits), T());
  return type == INT64 ? convert(static_cast<int64_t>(bits), T()) : convert(bits, T());
}

/** The bits of a number as an element, in the low bytes. */
template <typename T>
DEVICE uint64_t encode(T value, int32_t type) {
  switch (type) {
    case FLOAT32: return float_bits(convert(value, float()));
    case FLOAT16: return to_half(convert(value, float())).bits;
    case BFLOAT16: return bfloat16_bits(convert(value, float()));
    case FLOAT64: return double_bits(convert(value, double()));
    case BOOL: return value != T(0);
    default: return static_cast<uint64_t>(convert(value, int64_t()));
  }
}

/** The element at an index. */
template <typename T>
DEVICE T load_element(const void* base, int64_t index, int32_t type) {
  switch (log2_bytes(type)) {
    case 0: return decode_narrow<T>(static_cast<const uint8_t*>(base)[index], type);
    case 1: return decode_narrow<T>(static_cast<const uint16_t*>(base)[index], type);
    case 2: return decode_narrow<T>(static_cast<const uint32_t*>(base)[index], type);
    default: return decode_wide<T>(static_cast<const uint64_t*>(base)[index], type);
  }
}

template <typename T>
DEVICE void store_element(void* base, int64_t index, T value, int32_t type) {
  const uint64_t bits = encode(value, type);
  switch (log2_bytes(type)) {
    case 0: static_cast<uint8_t*>(base)[index] = static_cast<uint8_t>(bits); break;
    case 1: static_cast<uint16_t*>(base)[index] = static_cast<uint16_t>(bits); break;
    case 2: static_cast<uint32_t*>(base)[index] = static_cast<uint32_t>(bits); break;
    default: static_cast<uint64_t*>(base)[index] = bits; break;
  }
}
