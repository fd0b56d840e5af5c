// Where the largest or smallest element of each row stands.
#include "rows.cuh"

struct ArgReduceParams {
  const void* input;
  void* output;
  int32_t inputType;
  int32_t outputType;
  int32_t smallest;
  int32_t selectLast;
  ROW_FIELDS(2);
};

/** An element and its index; none where that is negative. */
template <typename T>
struct alignas(8) Candidate {
  T value;
  int32_t index;
};

template <typename T>
DEVICE void arg_reduce(const ArgReduceParams& p) {
  const RowWork<2> work = row_work<2>(p);
  const auto better = [&p](Candidate<T> a, Candidate<T> b) {
    if (a.index < 0) return b;
    if (b.index < 0) return a;
    if (a.value == b.value) return (a.index < b.index) != (p.selectLast != 0) ? a : b;
    return (p.smallest ? a.value < b.value : a.value > b.value) ? a : b;
  };
  Candidate<T> best{T(0), -1};
  NO_UNROLL
  for (int next = work.first; next < work.length; next += work.step) {
    int64_t offsets[2];
    element_offsets(offsets, p, work, next);
    best = better(best, Candidate<T>{load_element<T>(p.input, offsets[0], p.inputType), next});
  }
  best = combine_row(best, p, better);
  if (work.first != 0 || work.length == 0) return;
  store_element(p.output, work.offsets[1], static_cast<int64_t>(best.index), p.outputType);
}

KERNEL_BOUNDED(arg_reduce_float32, ArgReduceParams, 1024, 1) { arg_reduce<float>(p); }
KERNEL_BOUNDED(arg_reduce_int64, ArgReduceParams, 1024, 1) { arg_reduce<int64_t>(p); }
