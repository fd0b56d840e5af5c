// Sums, means, extrema and the like over the rows of a tensor; codes of `reductionCodes` in src/kernels/reduce.ts.
#include "elementwise.cuh"
#include "rows.cuh"

enum Reduction : int32_t {
  REDUCE_SUM = 0,
  REDUCE_MEAN = 1,
  REDUCE_MAX = 2,
  REDUCE_MIN = 3,
  REDUCE_PRODUCT = 4,
  REDUCE_L1 = 5,
  REDUCE_L2 = 6,
  REDUCE_SUM_OF_SQUARES = 7,
  REDUCE_LOG_SUM = 8,
  REDUCE_LOG_SUM_EXP = 9,
};

struct ReduceParams {
  const void* input;
  void* output;
  int32_t inputType;
  int32_t outputType;
  int32_t reduction;
  // Scales of 0 stand for none.
  float inputScale;
  int32_t inputZeroPoint;
  float outputScale;
  int32_t outputZeroPoint;
  ROW_FIELDS(2);
};

constexpr int REDUCED_AT_ONCE = 4;

DEVICE float exp_minus(float x, float shift) { return exp_(sub_rn(x, shift)); }
/** Not of integers. */
DEVICE int64_t exp_minus(int64_t x, int64_t) { return x; }

template <typename T>
DEVICE T prepared(T x, int32_t reduction, T shift) {
  switch (reduction) {
    case REDUCE_L1: return x < T(0) ? negative(x) : x;
    case REDUCE_L2:
    case REDUCE_SUM_OF_SQUARES: return times(x, x);
    case REDUCE_LOG_SUM_EXP: return exp_minus(x, shift);
    default: return x;
  }
}

template <typename T>
DEVICE T joined(T a, T b, int32_t reduction) {
  switch (reduction) {
    case REDUCE_MAX: return greater(a, b);
    case REDUCE_MIN: return lesser(a, b);
    case REDUCE_PRODUCT: return times(a, b);
    default: return plus(a, b);
  }
}

DEVICE float finished(float x, int32_t reduction, int length, float shift) {
  switch (reduction) {
    case REDUCE_MEAN: return div_rn(x, float_from_int(length));
    case REDUCE_L2: return sqrt_(x);
    case REDUCE_LOG_SUM: return log_(x);
    case REDUCE_LOG_SUM_EXP: return add_rn(log_(x), shift);
    default: return x;
  }
}
DEVICE int64_t finished(int64_t x, int32_t reduction, int length, int64_t) { return reduction == REDUCE_MEAN ? over(x, int64_t(length)) : x; }

DEVICE float neutral(int32_t reduction, float) {
  return reduction == REDUCE_MAX ? bits_float(0xff800000u) : reduction == REDUCE_MIN ? bits_float(0x7f800000u) : reduction == REDUCE_PRODUCT;
}
DEVICE int64_t neutral(int32_t reduction, int64_t) {
  return reduction == REDUCE_MAX ? INT64_MIN : reduction == REDUCE_MIN ? INT64_MAX : reduction == REDUCE_PRODUCT;
}

DEVICE float dequantized(float x, float scale, int32_t zeroPoint) {
  return scale != 0.0f ? mul_rn(sub_rn(x, float_from_int(zeroPoint)), scale) : x;
}
DEVICE int64_t dequantized(int64_t x, float, int32_t) { return x; }

template <typename T>
DEVICE T reduced(const ReduceParams& p, const RowWork<2>& work, int32_t reduction, T shift) {
  T total = neutral(reduction, T());
  NO_UNROLL
  for (int next = work.first; next < work.length; next += REDUCED_AT_ONCE * work.step) {
    T values[REDUCED_AT_ONCE];
    bool valid[REDUCED_AT_ONCE];
    load_row_elements(values, valid, p, work, next, T(0));
    UNROLL
    for (int i = 0; i < REDUCED_AT_ONCE; i++) {
      if (valid[i]) total = joined(total, prepared(dequantized(values[i], p.inputScale, p.inputZeroPoint), reduction, shift), reduction);
    }
  }
  return combine_row(total, p, [reduction](T a, T b) { return joined(a, b, reduction); });
}

template <typename T>
DEVICE void reduce(const ReduceParams& p) {
  const RowWork<2> work = row_work<2>(p);
  T result = T(0), shift = T(0);
  // The maximum first, where exponentials could overflow.
  NO_UNROLL
  for (int pass = p.reduction == REDUCE_LOG_SUM_EXP ? 0 : 1; pass < 2; pass++) {
    result = reduced(p, work, pass == 0 ? int32_t(REDUCE_MAX) : p.reduction, shift);
    if (pass == 0) shift = minus(result, result) == T(0) ? result : T(0);
  }
  if (work.first != 0 || work.length == 0) return;
  result = finished(result, p.reduction, p.length, shift);
  if (p.outputScale != 0.0f) {
    const int32_t storage = p.outputType == INT8 ? STORE_INT8 : STORE_UINT8;
    store_float(p.output, work.offsets[1], convert(result, float()), storage, p.outputScale, p.outputZeroPoint);
  } else {
    store_element(p.output, work.offsets[1], result, p.outputType);
  }
}

KERNEL_BOUNDED(reduce_float32, ReduceParams, 1024, 1) { reduce<float>(p); }
KERNEL_BOUNDED(reduce_int64, ReduceParams, 1024, 1) { reduce<int64_t>(p); }
