// One operation on a few elements; codes of `operations` in src/kernels/elementwise-program.ts.
#pragma once
#include "activation.cuh"
#include "elements.cuh"
#include "epilogue.cuh"

enum Operation : uint32_t {
  OP_ADD = 0, OP_SUB, OP_MUL, OP_DIV, OP_MIN, OP_MAX, OP_NEG, OP_ABS, OP_SIGN,
  OP_EQUAL, OP_LESS, OP_LESS_OR_EQUAL, OP_GREATER, OP_GREATER_OR_EQUAL, OP_AND, OP_OR, OP_XOR, OP_NOT,
  OP_WHERE, OP_MOD, OP_FMOD, OP_POW, OP_CLIP, OP_RELU,
  OP_BIT_AND = 32, OP_BIT_OR, OP_BIT_XOR, OP_BIT_NOT, OP_SHIFT_LEFT, OP_SHIFT_RIGHT,
  OP_TO_INT8, OP_TO_UINT8, OP_TO_INT16, OP_TO_UINT16, OP_TO_INT32, OP_TO_UINT32,
  OP_SQRT = 48, OP_RECIPROCAL, OP_FLOOR, OP_CEIL, OP_ROUND, OP_TRUNC, OP_TO_FLOAT16, OP_IS_NAN, OP_IS_INF,
  OP_QUANTIZE_INT8, OP_QUANTIZE_UINT8, OP_DEQUANTIZE, OP_SOFTSIGN, OP_THRESHOLDED_RELU, OP_SHRINK,
  OP_EXP = 64, OP_LOG, OP_ERF, OP_SIN, OP_COS, OP_TAN, OP_ASIN, OP_ACOS, OP_ATAN, OP_SINH, OP_COSH, OP_ASINH, OP_ACOSH, OP_ATANH,
  OP_CELU, OP_SELU,
  OP_FIRST_ACTIVATION = 96,
};

// Arithmetic that wraps (integers) or rounds once (floats).
DEVICE float plus(float a, float b) { return add_rn(a, b); }
DEVICE float minus(float a, float b) { return sub_rn(a, b); }
DEVICE float times(float a, float b) { return mul_rn(a, b); }
DEVICE float over(float a, float b) { return div_rn(a, b); }
DEVICE double plus(double a, double b) { return a + b; }
DEVICE double minus(double a, double b) { return a - b; }
DEVICE double times(double a, double b) { return a * b; }
DEVICE double over(double a, double b) { return a / b; }
DEVICE int64_t plus(int64_t a, int64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b)); }
DEVICE int64_t minus(int64_t a, int64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b)); }
DEVICE int64_t times(int64_t a, int64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b)); }
DEVICE float negative(float a) { return -a; }
DEVICE double negative(double a) { return -a; }
DEVICE int64_t negative(int64_t a) { return minus(int64_t(0), a); }
DEVICE int64_t over(int64_t a, int64_t b) { return b == 0 ? 0 : b == -1 ? minus(int64_t(0), a) : a / b; }

/** The remainder with the sign of the dividend. */
DEVICE float remainder_of(float a, float b) { return fmod_(a, b); }
DEVICE int64_t remainder_of(int64_t a, int64_t b) { return minus(a, times(over(a, b), b)); }

/** The remainder with the sign of the divisor. */
template <typename T>
DEVICE T modulo(T a, T b) {
  const T rest = remainder_of(a, b);
  return rest != T(0) && (rest < T(0)) != (b < T(0)) ? plus(rest, b) : rest;
}

DEVICE float power(float a, float b) { return pow_(a, b); }
/** Negative exponents give the integer part of the fraction. */
DEVICE int64_t power(int64_t a, int64_t b) {
  if (b < 0) return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
  int64_t result = 1;
  for (; b; b >>= 1) {
    if (b & 1) result = times(result, a);
    a = times(a, a);
  }
  return result;
}

/** NaN stays NaN, as in ONNX Runtime. */
template <typename T>
DEVICE T lesser(T a, T b) { return a < b || a != a ? a : b; }
template <typename T>
DEVICE T greater(T a, T b) { return a > b || a != a ? a : b; }
/** Where low is above high, high counts, as in ONNX. */
template <typename T>
DEVICE T between(T x, T low, T high) {
  const T raised = x < low ? low : x;
  return raised > high ? high : raised;
}
template <typename T>
DEVICE T sign_of(T x) { return x > T(0) ? T(1) : x < T(0) ? T(-1) : x; }
template <typename T>
DEVICE bool truth(T x) { return x != T(0); }

#define OPERATION(code, expression)                 \
  case code: {                                      \
    UNROLL                                          \
    for (int i = 0; i < V; i++) r[i] = expression;  \
    return;                                         \
  }

/** What all types have. */
template <typename T, int V>
DEVICE void common_operation(uint32_t operation, T (&r)[V], const T (&a)[V], const T (&b)[V], const T (&c)[V]) {
  switch (operation) {
    OPERATION(OP_ADD, plus(a[i], b[i]))
    OPERATION(OP_SUB, minus(a[i], b[i]))
    OPERATION(OP_MUL, times(a[i], b[i]))
    OPERATION(OP_DIV, over(a[i], b[i]))
    OPERATION(OP_MIN, lesser(a[i], b[i]))
    OPERATION(OP_MAX, greater(a[i], b[i]))
    OPERATION(OP_NEG, negative(a[i]))
    OPERATION(OP_ABS, a[i] < T(0) ? negative(a[i]) : a[i] + T(0))
    OPERATION(OP_SIGN, sign_of(a[i]))
    OPERATION(OP_EQUAL, T(a[i] == b[i]))
    OPERATION(OP_LESS, T(a[i] < b[i]))
    OPERATION(OP_LESS_OR_EQUAL, T(a[i] <= b[i]))
    OPERATION(OP_GREATER, T(a[i] > b[i]))
    OPERATION(OP_GREATER_OR_EQUAL, T(a[i] >= b[i]))
    OPERATION(OP_AND, T(truth(a[i]) && truth(b[i])))
    OPERATION(OP_OR, T(truth(a[i]) || truth(b[i])))
    OPERATION(OP_XOR, T(truth(a[i]) != truth(b[i])))
    OPERATION(OP_NOT, T(!truth(a[i])))
    OPERATION(OP_WHERE, truth(a[i]) ? b[i] : c[i])
    OPERATION(OP_CLIP, between(a[i], b[i], c[i]))
    OPERATION(OP_RELU, a[i] < T(0) ? T(0) : a[i])
  }
}

template <int V>
DEVICE void operate(uint32_t operation, double (&r)[V], const double (&a)[V], const double (&b)[V], const double (&c)[V]) {
  common_operation(operation, r, a, b, c);
}

DEVICE int64_t shift_left(int64_t a, int64_t b) { return b > 63 ? 0 : static_cast<int64_t>(static_cast<uint64_t>(a) << b); }
DEVICE int64_t shift_right(int64_t a, int64_t b) { return b > 63 ? 0 : a >> b; }

template <int V>
DEVICE void operate(uint32_t operation, int64_t (&r)[V], const int64_t (&a)[V], const int64_t (&b)[V], const int64_t (&c)[V]) {
  switch (operation) {
    OPERATION(OP_MOD, modulo(a[i], b[i]))
    OPERATION(OP_FMOD, remainder_of(a[i], b[i]))
    OPERATION(OP_POW, power(a[i], b[i]))
    OPERATION(OP_BIT_AND, a[i] & b[i])
    OPERATION(OP_BIT_OR, a[i] | b[i])
    OPERATION(OP_BIT_XOR, a[i] ^ b[i])
    OPERATION(OP_BIT_NOT, ~a[i])
    OPERATION(OP_SHIFT_LEFT, shift_left(a[i], b[i]))
    OPERATION(OP_SHIFT_RIGHT, shift_right(a[i], b[i]))
    OPERATION(OP_TO_INT8, static_cast<int8_t>(a[i]))
    OPERATION(OP_TO_UINT8, static_cast<uint8_t>(a[i]))
    OPERATION(OP_TO_INT16, static_cast<int16_t>(a[i]))
    OPERATION(OP_TO_UINT16, static_cast<uint16_t>(a[i]))
    OPERATION(OP_TO_INT32, static_cast<int32_t>(a[i]))
    OPERATION(OP_TO_UINT32, static_cast<uint32_t>(a[i]))
    default: common_operation(operation, r, a, b, c);
  }
}

DEVICE float quantized(float x, int32_t storage, float scale, float zeroPoint) {
  const uint32_t level = quantize(x, storage, scale, static_cast<int32_t>(zeroPoint));
  return float_from_int(storage == STORE_INT8 ? static_cast<int32_t>(static_cast<int8_t>(level)) : static_cast<int32_t>(level));
}
DEVICE float is_infinite(float x, float negativeCounts, float positiveCounts) {
  const uint32_t bits = float_bits(x);
  return (bits == 0xff800000u && truth(negativeCounts)) || (bits == 0x7f800000u && truth(positiveCounts)) ? 1.0f : 0.0f;
}
DEVICE float shrunk(float x, float lambda, float bias) {
  return x < -lambda ? add_rn(x, bias) : x > lambda ? sub_rn(x, bias) : x != x ? x : 0.0f;
}

/** Long code, for one element. */
DEVICE float long_operation(uint32_t operation, float a, float b, float c) {
  switch (operation) {
    case OP_MOD: return modulo(a, b);
    case OP_FMOD: return remainder_of(a, b);
    case OP_POW: return power(a, b);
    case OP_EXP: return exp_(a);
    case OP_LOG: return log_(a);
    case OP_ERF: return erf_(a);
    case OP_SIN: return sin_(a);
    case OP_COS: return cos_(a);
    case OP_TAN: return tan_(a);
    case OP_ASIN: return asin_(a);
    case OP_ACOS: return acos_(a);
    case OP_ATAN: return atan_(a);
    case OP_SINH: return sinh_(a);
    case OP_COSH: return cosh_(a);
    case OP_ASINH: return asinh_(a);
    case OP_ACOSH: return acosh_(a);
    case OP_ATANH: return atanh_(a);
    case OP_CELU: return a < 0.0f ? mul_rn(b, sub_rn(exp_(div_rn(a, b)), 1.0f)) : a;
    case OP_SELU: return mul_rn(c, a > 0.0f ? a : sub_rn(mul_rn(b, exp_(a)), b));
    default: return activate(a, static_cast<int32_t>(operation - OP_FIRST_ACTIVATION), b, c);
  }
}

template <int V>
DEVICE void operate(uint32_t operation, float (&r)[V], const float (&a)[V], const float (&b)[V], const float (&c)[V]) {
  switch (operation) {
    OPERATION(OP_SQRT, sqrt_(a[i]))
    OPERATION(OP_RECIPROCAL, div_rn(1.0f, a[i]))
    OPERATION(OP_FLOOR, floor_(a[i]))
    OPERATION(OP_CEIL, ceil_(a[i]))
    OPERATION(OP_ROUND, round_even(a[i]))
    OPERATION(OP_TRUNC, a[i] < 0.0f ? ceil_(a[i]) : floor_(a[i]))
    OPERATION(OP_TO_FLOAT16, to_float(to_half(a[i])))
    OPERATION(OP_IS_NAN, a[i] != a[i] ? 1.0f : 0.0f)
    OPERATION(OP_IS_INF, is_infinite(a[i], b[i], c[i]))
    OPERATION(OP_QUANTIZE_INT8, quantized(a[i], STORE_INT8, b[i], c[i]))
    OPERATION(OP_QUANTIZE_UINT8, quantized(a[i], STORE_UINT8, b[i], c[i]))
    OPERATION(OP_DEQUANTIZE, mul_rn(sub_rn(a[i], c[i]), b[i]))
    OPERATION(OP_SOFTSIGN, div_rn(a[i], add_rn(1.0f, a[i] < 0.0f ? -a[i] : a[i])))
    OPERATION(OP_THRESHOLDED_RELU, a[i] > b[i] || a[i] != a[i] ? a[i] : 0.0f)
    OPERATION(OP_SHRINK, shrunk(a[i], b[i], c[i]))
  }
  if (operation < OP_SQRT && operation != OP_MOD && operation != OP_FMOD && operation != OP_POW)
    return common_operation(operation, r, a, b, c);
  // One copy of the code: the elements take turns at the first place.
  float x[V], y[V], z[V];
  UNROLL
  for (int i = 0; i < V; i++) x[i] = a[i], y[i] = b[i], z[i] = c[i];
  NO_UNROLL
  for (int turn = 0; turn < V; turn++) {
    const float result = long_operation(operation, x[0], y[0], z[0]);
    UNROLL
    for (int i = 0; i + 1 < V; i++) x[i] = x[i + 1], y[i] = y[i + 1], z[i] = z[i + 1], r[i] = r[i + 1];
    r[V - 1] = result;
  }
}
#undef OPERATION
