// Attention in float32: four neighbouring threads share a query. Each scores every fourth key and sums up every fourth group
// of four outputs.
#include "attention.cuh"

/** Words from one token to the next in shared memory: rows start four banks apart. */
template <int HEAD>
struct Pitch {
  static constexpr int WORDS = HEAD + 4;
};

/** Copies `rows` tokens of a head, each padded with zeros to HEAD elements. */
template <int HEAD>
DEVICE void load_tokens(float* tile, const float* tokens, int64_t stride, int first, int rows, int count, int headSize) {
  NO_UNROLL
  for (int i = threadIdx.x; i < rows * HEAD; i += blockDim.x) {
    const int row = i / HEAD, column = i % HEAD;
    cp_async_4(tile + row * Pitch<HEAD>::WORDS + column, tokens + (first + row) * stride + column,
               first + row < count && column < headSize);
  }
}

DEVICE void read_4(float (&v)[4], const float* from) {
  const bytes16 bits = *reinterpret_cast<const bytes16*>(from);
  v[0] = bits_float(bits.x), v[1] = bits_float(bits.y), v[2] = bits_float(bits.z), v[3] = bits_float(bits.w);
}

template <int HEAD>
DEVICE void attention_f32(const AttentionParams& p) {
  constexpr int KEYS = 32, OWN_KEYS = KEYS / 4, OWN_GROUPS = HEAD / 16, PITCH = Pitch<HEAD>::WORDS;
  float* keys = reinterpret_cast<float*>(shared_memory());
  float* values = keys + KEYS * PITCH;
  float* queries = values + KEYS * PITCH;
  const int head = blockIdx.y % p.heads, batch = blockIdx.y / p.heads;
  const int rows = blockDim.x / 4, firstQuery = blockIdx.x * rows;
  const int row = threadIdx.x / 4, quarter = threadIdx.x % 4, ownQuery = firstQuery + row;
  const float* query = static_cast<const float*>(p.query) + batch * p.queryBatch + head * p.queryHead;
  const float* key = static_cast<const float*>(p.key) + batch * p.keyBatch + head * p.keyHead;
  const float* value = static_cast<const float*>(p.value) + batch * p.valueBatch + head * p.valueHead;
  const int64_t mask = batch * p.maskBatch + head * p.maskHead;

  load_tokens<HEAD>(queries, query, p.queryToken, firstQuery, rows, p.queries, p.headSize);
  float out[OWN_GROUPS][4], max = minus_infinity(), sum = 0.0f;
  UNROLL
  for (int g = 0; g < OWN_GROUPS; g++) {
    UNROLL
    for (int i = 0; i < 4; i++) out[g][i] = 0.0f;
  }
  NO_UNROLL
  for (int first = 0; first < p.keys; first += KEYS) {
    load_tokens<HEAD>(keys, key, p.keyToken, first, KEYS, p.keys, p.headSize);
    load_tokens<HEAD>(values, value, p.valueToken, first, KEYS, p.keys, p.headSize);
    cp_async_commit();
    cp_async_wait<0>();
    block_barrier();
    float scores[OWN_KEYS];
    UNROLL
    for (int j = 0; j < OWN_KEYS; j++) scores[j] = 0.0f;
    UNROLL_BY(2)
    for (int d = 0; d < HEAD; d += 4) {
      float q[4];
      read_4(q, queries + row * PITCH + d);
      UNROLL
      for (int j = 0; j < OWN_KEYS; j++) {
        float k[4];
        read_4(k, keys + (j * 4 + quarter) * PITCH + d);
        UNROLL
        for (int i = 0; i < 4; i++) scores[j] = fma_rn(q[i], k[i], scores[j]);
      }
    }
    float newMax = max;
    UNROLL
    for (int j = 0; j < OWN_KEYS; j++) {
      scores[j] = masked_score(p, mask, scores[j], ownQuery, first + j * 4 + quarter);
      newMax = scores[j] > newMax ? scores[j] : newMax;
    }
    UNROLL
    for (int distance = 1; distance < 4; distance *= 2) {
      const float other = shuffle_xor(newMax, distance);
      newMax = other > newMax ? other : newMax;
    }
    const float shrink = exp_below(max, newMax);
    max = newMax;
    sum *= shrink;
    UNROLL
    for (int j = 0; j < OWN_KEYS; j++) {
      scores[j] = exp_below(scores[j], max);
      sum += scores[j];
    }
    UNROLL
    for (int g = 0; g < OWN_GROUPS; g++) {
      UNROLL
      for (int i = 0; i < 4; i++) out[g][i] *= shrink;
    }
    UNROLL
    for (int k = 0; k < KEYS; k++) {
      const float weight = shuffle(scores[k / 4], (lane_id() & ~3) + k % 4);
      UNROLL
      for (int g = 0; g < OWN_GROUPS; g++) {
        float v[4];
        read_4(v, values + k * PITCH + g * 16 + quarter * 4);
        UNROLL
        for (int i = 0; i < 4; i++) out[g][i] = fma_rn(weight, v[i], out[g][i]);
      }
    }
    block_barrier();
  }
  UNROLL
  for (int distance = 1; distance < 4; distance *= 2) sum += shuffle_xor(sum, distance);
  if (ownQuery >= p.queries) return;
  float* output = static_cast<float*>(p.output) + batch * p.outputBatch + head * p.outputHead + ownQuery * p.outputToken;
  UNROLL
  for (int g = 0; g < OWN_GROUPS; g++) {
    UNROLL
    for (int i = 0; i < 4; i++) {
      const int column = g * 16 + quarter * 4 + i;
      if (column < p.headSize) output[column] = div_rn(out[g][i], sum);
    }
  }
}

KERNEL_BOUNDED(attention_f32_32, AttentionParams, 128, 4) { attention_f32<32>(p); }
KERNEL_BOUNDED(attention_f32_64, AttentionParams, 128, 4) { attention_f32<64>(p); }
KERNEL_BOUNDED(attention_f32_128, AttentionParams, 128, 3) { attention_f32<128>(p); }
