// What happens to the sums of a product before they are stored; the definition stands at `Epilogue` in src/kernels/epilogue.ts.
// Params structs of kernels that end so hold the fields that are read here, under these names.
#pragma once
#include "activation.cuh"

/** How elements are stored: `storageCodes`. */
enum Storage : int32_t { STORE_FLOAT32 = 0, STORE_FLOAT16 = 1, STORE_INT8 = 2, STORE_UINT8 = 3 };

DEVICE int storage_bytes(int32_t storage) { return storage == STORE_FLOAT32 ? 4 : storage == STORE_FLOAT16 ? 2 : 1; }

DEVICE float load_float(const void* base, int64_t index, int32_t storage, float scale, int32_t zeroPoint) {
  if (storage == STORE_FLOAT32) return static_cast<const float*>(base)[index];
  if (storage == STORE_FLOAT16) return to_float(static_cast<const half*>(base)[index]);
  const int32_t stored = storage == STORE_INT8 ? static_cast<const int8_t*>(base)[index] : static_cast<const uint8_t*>(base)[index];
  return mul_rn(float_from_int(stored - zeroPoint), scale);
}

/** saturate(rint(value / scale) + zeroPoint), as the low byte. */
DEVICE uint32_t quantize(float value, int32_t storage, float scale, int32_t zeroPoint) {
  const float low = storage == STORE_INT8 ? -128.0f : 0.0f;
  const float level = add_rn(round_even(div_rn(value, scale)), float_from_int(zeroPoint));
  // This way round NaN becomes the lowest level.
  const float bounded = level > low ? (level < low + 255.0f ? level : low + 255.0f) : low;
  return static_cast<uint32_t>(static_cast<int32_t>(bounded)) & 0xffu;
}

/** Four contiguous elements at an index that is a multiple of four. */
DEVICE void load_float_4(float (&values)[4], const void* base, int64_t index, int32_t storage, float scale, int32_t zeroPoint) {
  if (storage == STORE_FLOAT32) {
    const bytes16 v = *reinterpret_cast<const bytes16*>(static_cast<const float*>(base) + index);
    values[0] = bits_float(v.x), values[1] = bits_float(v.y), values[2] = bits_float(v.z), values[3] = bits_float(v.w);
  } else if (storage == STORE_FLOAT16) {
    const bytes8 v = *reinterpret_cast<const bytes8*>(static_cast<const half*>(base) + index);
    unpack_half2(v.x, values[0], values[1]);
    unpack_half2(v.y, values[2], values[3]);
  } else {
    const uint32_t v = *reinterpret_cast<const uint32_t*>(static_cast<const uint8_t*>(base) + index);
    UNROLL
    for (int i = 0; i < 4; i++) {
      const uint8_t stored = static_cast<uint8_t>(v >> (8 * i));
      const int32_t level = storage == STORE_INT8 ? static_cast<int8_t>(stored) : stored;
      values[i] = mul_rn(float_from_int(level - zeroPoint), scale);
    }
  }
}

DEVICE void store_float(void* base, int64_t index, float value, int32_t storage, float scale, int32_t zeroPoint) {
  if (storage == STORE_FLOAT32) static_cast<float*>(base)[index] = value;
  else if (storage == STORE_FLOAT16) static_cast<half*>(base)[index] = to_half(value);
  else static_cast<uint8_t*>(base)[index] = static_cast<uint8_t>(quantize(value, storage, scale, zeroPoint));
}

DEVICE void store_float_4(void* base, int64_t index, const float (&v)[4], int32_t storage, float scale, int32_t zeroPoint) {
  if (storage == STORE_FLOAT32) {
    *reinterpret_cast<bytes16*>(static_cast<float*>(base) + index) =
        bytes16{float_bits(v[0]), float_bits(v[1]), float_bits(v[2]), float_bits(v[3])};
  } else if (storage == STORE_FLOAT16) {
    *reinterpret_cast<bytes8*>(static_cast<half*>(base) + index) = bytes8{pack_half2(v[0], v[1]), pack_half2(v[2], v[3])};
  } else {
    *reinterpret_cast<uint32_t*>(static_cast<uint8_t*>(base) + index) =
        quantize(v[0], storage, scale, zeroPoint) | quantize(v[1], storage, scale, zeroPoint) << 8 |
        quantize(v[2], storage, scale, zeroPoint) << 16 | quantize(v[3], storage, scale, zeroPoint) << 24;
  }
}

DEVICE void activate_4(float (&v)[4], int32_t code, float alpha, float beta) {
  if (code == ACTIVATION_NONE) return;
  if (code == ACTIVATION_RELU) {
    UNROLL
    for (int i = 0; i < 4; i++) v[i] = v[i] < 0.0f ? 0.0f : v[i];
    return;
  }
  // One copy of the long code of the others: the values take turns.
  NO_UNROLL
  for (int i = 0; i < 4; i++) {
    const float next = activate(v[0], code, alpha, beta);
    v[0] = v[1], v[1] = v[2], v[2] = v[3], v[3] = next;
  }
}

DEVICE float scaled_sum(float sum, const int32_t*, const float*, float alpha, int) { return mul_rn(sum, alpha); }
DEVICE float scaled_sum(int32_t sum, const int32_t* correction, const float* multiplier, float alpha, int channel) {
  const float f = float_from_int(correction ? sum + correction[channel] : sum);
  return mul_rn(f, multiplier ? multiplier[channel] : alpha);
}

/**
 * Finishes and stores `count` of four sums whose channels follow each other from `channel`. `output` and `residual` index
 * elements; `vector` says that both are contiguous there, aligned to four elements, and that count is 4.
 */
template <typename Params, typename Sum>
DEVICE void finish_4(const Params& p, const Sum (&sums)[4], int channel, int count, int64_t output, int64_t residual, bool vector) {
  float v[4], r[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  UNROLL
  for (int i = 0; i < 4; i++) {
    v[i] = 0.0f;
    if (i < count) {
      v[i] = scaled_sum(sums[i], p.correction, p.multiplier, p.alpha, channel + i);
      if (p.bias) v[i] = add_rn(v[i], p.bias[channel + i]);
    }
  }
  if (p.residual) {
    if (vector) {
      load_float_4(r, p.residual, residual, p.residualStorage, p.residualScale, p.residualZeroPoint);
    } else {
      UNROLL
      for (int i = 0; i < 4; i++) {
        if (i < count)
          r[i] = load_float(p.residual, residual + int64_t(i) * p.residualChannel, p.residualStorage, p.residualScale,
                            p.residualZeroPoint);
      }
    }
  }
  int32_t code = p.activation;
  float alpha = p.activationAlpha, beta = p.activationBeta;
  NO_UNROLL
  for (int stage = 0; stage < 2; stage++) {
    activate_4(v, code, alpha, beta);
    if (stage == 1 || (!p.residual && p.finalActivation == ACTIVATION_NONE)) break;
    if (p.residual) {
      UNROLL
      for (int i = 0; i < 4; i++) v[i] = p.residualMultiplies ? mul_rn(v[i], r[i]) : add_rn(v[i], r[i]);
    }
    code = p.finalActivation, alpha = p.finalAlpha, beta = p.finalBeta;
  }
  if (vector) {
    store_float_4(p.output, output, v, p.outputStorage, p.outputScale, p.outputZeroPoint);
  } else {
    UNROLL
    for (int i = 0; i < 4; i++) {
      if (i < count)
        store_float(p.output, output + int64_t(i) * p.outputChannel, v[i], p.outputStorage, p.outputScale, p.outputZeroPoint);
    }
  }
}
