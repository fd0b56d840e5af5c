// Activations, the codes of `activationCodes` in src/kernels/epilogue.ts. Those without a transcendental function are exact
// sequences of rounded operations, so that quantized results can be checked bit by bit.
#pragma once
#include "prims.cuh"

enum ActivationCode : int32_t {
  ACTIVATION_NONE = 0,
  ACTIVATION_RELU = 1,
  ACTIVATION_CLIP = 2,
  ACTIVATION_LEAKY_RELU = 3,
  ACTIVATION_SIGMOID = 4,
  ACTIVATION_SWISH = 5,
  ACTIVATION_HARD_SIGMOID = 6,
  ACTIVATION_HARD_SWISH = 7,
  ACTIVATION_GELU = 8,
  ACTIVATION_GELU_TANH = 9,
  ACTIVATION_TANH = 10,
  ACTIVATION_ELU = 11,
  ACTIVATION_SOFTPLUS = 12,
  ACTIVATION_MISH = 13,
};

// Comparisons, not fmin and fmax: NaN passes through, as it does in ONNX Runtime.
DEVICE float clamp_(float x, float low, float high) { return x < low ? low : x > high ? high : x; }
DEVICE float sigmoid_(float x) { return div_rn(1.0f, add_rn(1.0f, exp_(-x))); }
DEVICE float softplus_(float x) { return x > 20.0f ? x : log1p_(exp_(x)); }
DEVICE float hard_sigmoid_(float x, float alpha, float beta) {
  return clamp_(add_rn(mul_rn(alpha, x), beta), 0.0f, 1.0f);
}

DEVICE float activate(float x, int32_t code, float alpha, float beta) {
  switch (code) {
    case ACTIVATION_RELU:
      return x < 0.0f ? 0.0f : x;
    case ACTIVATION_CLIP:
      return clamp_(x, alpha, beta);
    case ACTIVATION_LEAKY_RELU:
      return x < 0.0f ? mul_rn(alpha, x) : x;
    case ACTIVATION_SIGMOID:
      return sigmoid_(x);
    case ACTIVATION_SWISH:
      return mul_rn(x, sigmoid_(mul_rn(alpha, x)));
    case ACTIVATION_HARD_SIGMOID:
      return hard_sigmoid_(x, alpha, beta);
    case ACTIVATION_HARD_SWISH:
      return mul_rn(x, hard_sigmoid_(x, alpha, beta));
    case ACTIVATION_GELU:
      return mul_rn(mul_rn(0.5f, x), add_rn(1.0f, erf_(mul_rn(x, 0.70710678f))));
    case ACTIVATION_GELU_TANH: {
      const float inner = mul_rn(0.79788456f, add_rn(x, mul_rn(mul_rn(mul_rn(0.044715f, x), x), x)));
      return mul_rn(mul_rn(0.5f, x), add_rn(1.0f, tanh_(inner)));
    }
    case ACTIVATION_TANH:
      return tanh_(x);
    case ACTIVATION_ELU:
      return x < 0.0f ? mul_rn(alpha, sub_rn(exp_(x), 1.0f)) : x;
    case ACTIVATION_SOFTPLUS:
      return softplus_(x);
    case ACTIVATION_MISH:
      return mul_rn(x, tanh_(softplus_(x)));
    default:
      return x;
  }
}
