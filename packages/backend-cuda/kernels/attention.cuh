// softmax(query keyT scale + mask) value with the softmax taken piece by piece over the keys, so that the matrix of scores is
// never written down (Dao et al., "FlashAttention", 2022). Fields are those of `layout` in src/kernels/attention.ts.
#pragma once
#include "epilogue.cuh"

struct AttentionParams {
  const void* query;
  const void* key;
  const void* value;
  const void* mask;
  void* output;
  // Elements from one batch item, head and token to the next.
  int64_t queryBatch;
  int64_t queryHead;
  int64_t queryToken;
  int64_t keyBatch;
  int64_t keyHead;
  int64_t keyToken;
  int64_t valueBatch;
  int64_t valueHead;
  int64_t valueToken;
  int64_t outputBatch;
  int64_t outputHead;
  int64_t outputToken;
  int64_t maskBatch;
  int64_t maskHead;
  int64_t maskQuery;
  int64_t maskKey;
  int32_t heads;
  int32_t queries;
  int32_t keys;
  int32_t headSize;
  int32_t maskStorage;
  float scale;
};

DEVICE float minus_infinity() { return bits_float(0xff800000u); }

/** exp(x - max) of a row; a row that is masked so far has a maximum of -inf and contributes nothing. */
DEVICE float exp_below(float x, float max) { return max == minus_infinity() ? 0.0f : exp_(x - max); }

/** A score scaled and masked; -inf beyond the last key. */
DEVICE float masked_score(const AttentionParams& p, int64_t mask, float score, int query, int key) {
  if (key >= p.keys) return minus_infinity();
  score = mul_rn(score, p.scale);
  // Rows beyond the last query are computed, never stored, and must not read.
  if (p.mask && query < p.queries)
    score = add_rn(score, load_float(p.mask, mask + query * p.maskQuery + key * p.maskKey, p.maskStorage, 1.0f, 0));
  return score;
}
