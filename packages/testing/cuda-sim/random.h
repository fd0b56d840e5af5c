// Small pseudo-random numbers for schedules (splitmix64).
#pragma once
#include <cstdint>

namespace cuda_sim {
struct Random {
  uint64_t state = 0;
  uint64_t next() {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>((next() >> 32) * limit >> 32); }
};

/** The number of a set bit of `mask` (not 0), the lowest at or above a random place. */
inline uint32_t random_bit(uint32_t mask, Random& random) {
  const uint32_t place = random.below(32);
  const uint32_t above = mask & ~0u << place;
  return static_cast<uint32_t>(__builtin_ctz(above ? above : mask));
}
}  // namespace cuda_sim
