// Attention on tensor cores: every warp keeps 16 queries and their outputs in registers and goes over the keys with the others.
#include "attention.cuh"
#include "product_load.cuh"

/** Copies `rows` tokens of a head, each padded with zeros to HEAD elements. */
template <int HEAD>
DEVICE void load_tokens(unsigned char* tile, const half* tokens, int64_t stride, int first, int rows, int count, int headSize) {
  constexpr int CHUNKS = HEAD / 8;
  NO_UNROLL
  for (int i = threadIdx.x; i < rows * CHUNKS; i += blockDim.x) {
    const int row = i / CHUNKS, chunk = i % CHUNKS;
    cp_async_16(tile + chunk_place<HEAD * 2>(row, chunk), tokens + (first + row) * stride + chunk * 8,
                first + row < count && chunk * 8 < headSize);
  }
}

template <int HEAD, int KEYS>
DEVICE void attention_f16(const AttentionParams& p) {
  constexpr int ROW_BYTES = HEAD * 2, DEPTHS = HEAD / 16, STAGE_BYTES = 2 * KEYS * ROW_BYTES;
  unsigned char* stages = shared_memory();
  unsigned char* queries = stages + 2 * STAGE_BYTES;
  const int head = blockIdx.y % p.heads, batch = blockIdx.y / p.heads, lane = lane_id();
  const int rows = blockDim.x / 2, firstQuery = blockIdx.x * rows, warpRow = warp_id() * 16;
  const half* query = static_cast<const half*>(p.query) + batch * p.queryBatch + head * p.queryHead;
  const half* key = static_cast<const half*>(p.key) + batch * p.keyBatch + head * p.keyHead;
  const half* value = static_cast<const half*>(p.value) + batch * p.valueBatch + head * p.valueHead;
  const int64_t mask = batch * p.maskBatch + head * p.maskHead;
  const int steps = ceil_div(p.keys, KEYS);

  const auto fill = [&](int step) {
    if (step < steps) {
      unsigned char* stage = stages + (step & 1) * STAGE_BYTES;
      load_tokens<HEAD>(stage, key, p.keyToken, step * KEYS, KEYS, p.keys, p.headSize);
      load_tokens<HEAD>(stage + KEYS * ROW_BYTES, value, p.valueToken, step * KEYS, KEYS, p.keys, p.headSize);
    }
    cp_async_commit();
  };
  load_tokens<HEAD>(queries, query, p.queryToken, firstQuery, rows, p.queries, p.headSize);
  cp_async_commit();
  fill(0);
  cp_async_wait<1>();
  block_barrier();

  uint32_t fq[DEPTHS][4];
  UNROLL
  for (int k = 0; k < DEPTHS; k++) ldmatrix_x4(fq[k], queries + chunk_place<ROW_BYTES>(warpRow + (lane & 15), k * 2 + (lane >> 4)));

  // Lane 4 g + t holds columns 2 t and 2 t + 1 of rows g (first two) and g + 8 (last two) of every 16 x 8 tile.
  float out[HEAD / 8][4], max[2] = {minus_infinity(), minus_infinity()}, sum[2] = {0.0f, 0.0f};
  UNROLL
  for (int j = 0; j < HEAD / 8; j++) {
    UNROLL
    for (int r = 0; r < 4; r++) out[j][r] = 0.0f;
  }
  const int ownQuery = firstQuery + warpRow + lane / 4;

  NO_UNROLL
  for (int step = 0; step < steps; step++) {
    cp_async_wait<0>();
    block_barrier();
    fill(step + 1);
    const unsigned char* keys = stages + (step & 1) * STAGE_BYTES;
    const unsigned char* values = keys + KEYS * ROW_BYTES;

    float scores[KEYS / 8][4];
    UNROLL
    for (int j = 0; j < KEYS / 8; j += 2) {
      UNROLL
      for (int r = 0; r < 4; r++) scores[j][r] = scores[j + 1][r] = 0.0f;
      UNROLL
      for (int k = 0; k < DEPTHS; k++) {
        uint32_t four[4];
        ldmatrix_x4(four, keys + chunk_place<ROW_BYTES>(j * 8 + (lane & 7) + (lane >> 4) * 8, k * 2 + ((lane >> 3) & 1)));
        mma_f16(scores[j], fq[k], {four[0], four[1]});
        mma_f16(scores[j + 1], fq[k], {four[2], four[3]});
      }
    }
    float newMax[2] = {max[0], max[1]};
    UNROLL
    for (int j = 0; j < KEYS / 8; j++) {
      UNROLL
      for (int r = 0; r < 4; r++) {
        const int column = step * KEYS + j * 8 + lane % 4 * 2 + r % 2;
        scores[j][r] = masked_score(p, mask, scores[j][r], ownQuery + r / 2 * 8, column);
        newMax[r / 2] = scores[j][r] > newMax[r / 2] ? scores[j][r] : newMax[r / 2];
      }
    }
    UNROLL
    for (int i = 0; i < 2; i++) {
      UNROLL
      for (int distance = 1; distance < 4; distance *= 2) {
        const float other = shuffle_xor(newMax[i], distance);
        newMax[i] = other > newMax[i] ? other : newMax[i];
      }
      const float shrink = exp_below(max[i], newMax[i]);
      max[i] = newMax[i];
      sum[i] *= shrink;
      UNROLL
      for (int j = 0; j < HEAD / 8; j++) out[j][2 * i] *= shrink, out[j][2 * i + 1] *= shrink;
    }
    UNROLL
    for (int j = 0; j < KEYS / 8; j++) {
      UNROLL
      for (int r = 0; r < 4; r++) {
        scores[j][r] = exp_below(scores[j][r], max[r / 2]);
        sum[r / 2] += scores[j][r];
      }
    }
    UNROLL
    for (int k = 0; k < KEYS / 16; k++) {
      // Two tiles of sums, as they lie, make one fragment of a left operand.
      const uint32_t weights[4] = {pack_half2(scores[2 * k][0], scores[2 * k][1]), pack_half2(scores[2 * k][2], scores[2 * k][3]),
                                   pack_half2(scores[2 * k + 1][0], scores[2 * k + 1][1]),
                                   pack_half2(scores[2 * k + 1][2], scores[2 * k + 1][3])};
      UNROLL
      for (int j = 0; j < HEAD / 8; j += 2) {
        uint32_t four[4];
        ldmatrix_x4_trans(four, values + chunk_place<ROW_BYTES>(k * 16 + (lane & 15), j + (lane >> 4)));
        mma_f16(out[j], weights, {four[0], four[1]});
        mma_f16(out[j + 1], weights, {four[2], four[3]});
      }
    }
  }
  half* output = static_cast<half*>(p.output) + batch * p.outputBatch + head * p.outputHead;
  UNROLL
  for (int i = 0; i < 2; i++) {
    UNROLL
    for (int distance = 1; distance < 4; distance *= 2) sum[i] += shuffle_xor(sum[i], distance);
    const int row = ownQuery + i * 8;
    UNROLL
    for (int j = 0; j < HEAD / 8; j++) {
      const int column = j * 8 + lane % 4 * 2;
      if (row < p.queries && column < p.headSize)
        *reinterpret_cast<uint32_t*>(output + row * p.outputToken + column) =
            pack_half2(div_rn(out[j][2 * i], sum[i]), div_rn(out[j][2 * i + 1], sum[i]));
    }
  }
}

KERNEL_BOUNDED(attention_f16_32, AttentionParams, 128, 2) { attention_f16<32, 64>(p); }
KERNEL_BOUNDED(attention_f16_64, AttentionParams, 128, 2) { attention_f16<64, 64>(p); }
KERNEL_BOUNDED(attention_f16_128, AttentionParams, 128, 2) { attention_f16<128, 32>(p); }
