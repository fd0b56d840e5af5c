// Division by numbers that the host knows, without a division.
#pragma once
#include "prims.cuh"

/** A divisor of that name and how to divide by it: `divisorFields` of src/kernels/division.ts. */
#define DIVISOR_FIELDS(name) \
  int32_t name;              \
  uint32_t name##Multiplier; \
  uint32_t name##Shift

/** n / divisor for 0 <= n < 2^31, by the multiplier and shift of `divisionBy` in src/kernels/division.ts. */
DEVICE int divide(int n, uint32_t multiplier, uint32_t shift) {
  const uint32_t high = static_cast<uint32_t>((static_cast<uint64_t>(static_cast<uint32_t>(n)) * multiplier) >> 32);
  return static_cast<int>((high + static_cast<uint32_t>(n)) >> shift);
}
