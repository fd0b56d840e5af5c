// What happens to the sums of a product before they are stored; the definition stands at `Epilogue` in src/kernels/epilogue.ts.
#pragma once
#include "activation.cuh"
#include "planes.cuh"

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

/** Fields of a struct for `load_channels` and `finish`, as in src/kernels/epilogue.ts; pointers, which are larger, come first. */
#define EPILOGUE_POINTER_FIELDS \
  void* output;                 \
  const void* residual;         \
  const int32_t* correction;    \
  const float* multiplier;      \
  const float* bias

#define EPILOGUE_FIELDS       \
  PLACE_FIELDS(output);       \
  PLACE_FIELDS(residual);     \
  int32_t outputStorage;      \
  int32_t residualStorage;    \
  int32_t vectorStores;       \
  int32_t activation;         \
  float activationAlpha;      \
  float activationBeta;       \
  int32_t finalActivation;    \
  float finalAlpha;           \
  float finalBeta;            \
  float alpha;                \
  float outputScale;          \
  int32_t outputZeroPoint;    \
  int32_t residualMultiplies; \
  float residualScale;        \
  int32_t residualZeroPoint

/** The vectors of four channels that follow each other; absent ones have no effect. */
struct FourChannels {
  int32_t correction[4];
  float multiplier[4], bias[4];
};

template <typename Params>
DEVICE FourChannels load_channels(const Params& p, int channel, int count) {
  FourChannels c;
  UNROLL
  for (int i = 0; i < 4; i++) {
    const bool inside = i < count;
    c.correction[i] = p.correction && inside ? p.correction[channel + i] : 0;
    c.multiplier[i] = p.multiplier && inside ? p.multiplier[channel + i] : p.alpha;
    c.bias[i] = p.bias && inside ? p.bias[channel + i] : 0.0f;
  }
  return c;
}

DEVICE float scaled(float sum, int32_t, float multiplier) { return mul_rn(sum, multiplier); }
DEVICE float scaled(int32_t sum, int32_t correction, float multiplier) {
  return mul_rn(float_from_int(sum + correction), multiplier);
}

/** Four channels of one place: elements of the output and the residual, and whether the place exists. */
struct FourPlaces {
  int64_t output, residual;
  bool valid;
};

/** Four elements as they are stored; of those that are shorter, the first bytes. */
DEVICE bytes16 load_stored_4(const void* base, int64_t index, int32_t storage) {
  if (storage == STORE_FLOAT32) return *reinterpret_cast<const bytes16*>(static_cast<const float*>(base) + index);
  if (storage == STORE_FLOAT16) {
    const bytes8 v = *reinterpret_cast<const bytes8*>(static_cast<const half*>(base) + index);
    return bytes16{v.x, v.y, 0, 0};
  }
  return bytes16{*reinterpret_cast<const uint32_t*>(static_cast<const uint8_t*>(base) + index), 0, 0, 0};
}

DEVICE void floats_from_stored(float (&v)[4], const bytes16& bits, int32_t storage, float scale, int32_t zeroPoint) {
  if (storage == STORE_FLOAT32) {
    v[0] = bits_float(bits.x), v[1] = bits_float(bits.y), v[2] = bits_float(bits.z), v[3] = bits_float(bits.w);
  } else if (storage == STORE_FLOAT16) {
    unpack_half2(bits.x, v[0], v[1]);
    unpack_half2(bits.y, v[2], v[3]);
  } else {
    UNROLL
    for (int i = 0; i < 4; i++) {
      const uint8_t stored = static_cast<uint8_t>(bits.x >> (8 * i));
      const int32_t level = storage == STORE_INT8 ? static_cast<int8_t>(stored) : stored;
      v[i] = mul_rn(float_from_int(level - zeroPoint), scale);
    }
  }
}

/** Four contiguous elements at an index that is a multiple of four. */
DEVICE void load_float_4(float (&v)[4], const void* base, int64_t index, int32_t storage, float scale, int32_t zeroPoint) {
  floats_from_stored(v, load_stored_4(base, index, storage), storage, scale, zeroPoint);
}

/** The first goes to the end; as often as there are elements, everything is where it was. */
template <typename T, int COUNT>
DEVICE void rotate(T (&v)[COUNT]) {
  const T first = v[0];
  UNROLL
  for (int n = 1; n < COUNT; n++) v[n - 1] = v[n];
  v[COUNT - 1] = first;
}
template <int COUNT>
DEVICE void rotate_rows(float (&v)[COUNT][4]) {
  UNROLL
  for (int i = 0; i < 4; i++) {
    const float first = v[0][i];
    UNROLL
    for (int n = 1; n < COUNT; n++) v[n - 1][i] = v[n][i];
    v[COUNT - 1][i] = first;
  }
}

template <int COUNT>
DEVICE void activate_all(float (&v)[COUNT][4], int32_t code, float alpha, float beta) {
  if (code == ACTIVATION_NONE) return;
  if (code == ACTIVATION_RELU || code == ACTIVATION_CLIP) {
    const float low = code == ACTIVATION_RELU ? 0.0f : alpha, high = code == ACTIVATION_RELU ? bits_float(0x7f800000u) : beta;
    UNROLL
    for (int n = 0; n < COUNT; n++) {
      UNROLL
      for (int i = 0; i < 4; i++) v[n][i] = clamp_(v[n][i], low, high);
    }
    return;
  }
  // Long code stands once: the values take turns.
  NO_UNROLL
  for (int n = 0; n < COUNT; n++) {
    NO_UNROLL
    for (int i = 0; i < 4; i++) {
      const float next = activate(v[0][0], code, alpha, beta);
      v[0][0] = v[0][1], v[0][1] = v[0][2], v[0][2] = v[0][3], v[0][3] = next;
    }
    rotate_rows(v);
  }
}

/**
 * Finishes and stores sums of four channels at COUNT places: `channels` of the four exist. `vector` says that output and
 * residual are contiguous, aligned to four elements, and that all four channels exist.
 */
template <int COUNT, typename Params, typename Sum>
DEVICE void finish(const Params& p, const Sum (&sums)[COUNT][4], const FourChannels& c, const FourPlaces (&places)[COUNT],
                   int channels, bool vector) {
  // Long code stands once, for the first place: the places take turns.
  FourPlaces turn[COUNT];
  UNROLL
  for (int n = 0; n < COUNT; n++) turn[n] = places[n];
  float v[COUNT][4], r[COUNT][4];
  UNROLL
  for (int n = 0; n < COUNT; n++) {
    UNROLL
    for (int i = 0; i < 4; i++) r[n][i] = 0.0f;
  }
  if (p.residual && vector) {
    // All are under way before the first is waited for.
    bytes16 stored[COUNT];
    UNROLL
    for (int n = 0; n < COUNT; n++) {
      stored[n] = bytes16{0, 0, 0, 0};
      if (places[n].valid) stored[n] = load_stored_4(p.residual, places[n].residual, p.residualStorage);
    }
    UNROLL
    for (int n = 0; n < COUNT; n++) floats_from_stored(r[n], stored[n], p.residualStorage, p.residualScale, p.residualZeroPoint);
  } else if (p.residual) {
    NO_UNROLL
    for (int n = 0; n < COUNT; n++) {
      UNROLL
      for (int i = 0; i < 4; i++) {
        if (turn[0].valid && i < channels)
          r[0][i] = load_float(p.residual, turn[0].residual + int64_t(i) * p.residualChannel, p.residualStorage, p.residualScale,
                              p.residualZeroPoint);
      }
      rotate(turn);
      rotate_rows(r);
    }
  }
  UNROLL
  for (int n = 0; n < COUNT; n++) {
    UNROLL
    for (int i = 0; i < 4; i++) v[n][i] = add_rn(scaled(sums[n][i], c.correction[i], c.multiplier[i]), c.bias[i]);
  }
  int32_t code = p.activation;
  float alpha = p.activationAlpha, beta = p.activationBeta;
  NO_UNROLL
  for (int stage = 0; stage < 2; stage++) {
    activate_all(v, code, alpha, beta);
    if (stage == 1 || (!p.residual && p.finalActivation == ACTIVATION_NONE)) break;
    if (p.residual) {
      UNROLL
      for (int n = 0; n < COUNT; n++) {
        UNROLL
        for (int i = 0; i < 4; i++) v[n][i] = p.residualMultiplies ? mul_rn(v[n][i], r[n][i]) : add_rn(v[n][i], r[n][i]);
      }
    }
    code = p.finalActivation, alpha = p.finalAlpha, beta = p.finalBeta;
  }
  NO_UNROLL
  for (int n = 0; n < COUNT; n++) {
    if (turn[0].valid) {
      if (vector) {
        store_float_4(p.output, turn[0].output, v[0], p.outputStorage, p.outputScale, p.outputZeroPoint);
      } else {
        UNROLL
        for (int i = 0; i < 4; i++) {
          if (i < channels)
            store_float(p.output, turn[0].output + int64_t(i) * p.outputChannel, v[0][i], p.outputStorage, p.outputScale,
                        p.outputZeroPoint);
        }
      }
    }
    rotate(turn);
    rotate_rows(v);
  }
}
