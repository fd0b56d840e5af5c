// Gather and scatter: elements move between places that lie apart as an iteration says and places that indices choose. Elements
// are bytes here: the host joins neighbours to units of up to 16.
#include "elements.cuh"
#include "strided.cuh"

struct IndexedParams {
  // Read when gathering, written when scattering, at places that indices choose.
  void* chosen;
  // The other side.
  void* listed;
  const void* indices;
  // 1 where an index lies outside of its axis.
  int32_t* status;
  int32_t indexType;
  int32_t count;
  // Over chosen, listed and indices.
  ITERATION_FIELDS(3);
  // Indices per element, and elements from one to the next.
  int32_t coordinates;
  int32_t coordinateStep;
  int32_t coordinateSizes[4];
  int32_t coordinateStrides[4];
};

constexpr int32_t INDEX_OUT_OF_RANGE = 1;

template <typename Unit, bool SCATTER>
DEVICE void move_indexed(const IndexedParams& p) {
  const int index = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (index >= p.count) return;
  int64_t offsets[3];
  offsets_of(offsets, index, p.axes, p.sizes, p.multipliers, p.shifts, p.strides);
  bool valid = true;
  UNROLL
  for (int i = 0; i < 4; i++) {
    if (i < p.coordinates) {
      int64_t place = load_element<int64_t>(p.indices, offsets[2] + static_cast<int64_t>(i) * p.coordinateStep, p.indexType);
      if (place < 0) place += p.coordinateSizes[i];
      if (place < 0 || place >= p.coordinateSizes[i]) valid = false;
      else offsets[0] += place * p.coordinateStrides[i];
    }
  }
  if (!valid) {
    atomic_max(p.status, INDEX_OUT_OF_RANGE);
    return;
  }
  Unit* chosen = static_cast<Unit*>(p.chosen) + offsets[0];
  Unit* listed = static_cast<Unit*>(p.listed) + offsets[1];
  if (SCATTER) *chosen = *listed;
  else *listed = *chosen;
}

KERNEL(gather_1, IndexedParams) { move_indexed<uint8_t, false>(p); }
KERNEL(gather_2, IndexedParams) { move_indexed<uint16_t, false>(p); }
KERNEL(gather_4, IndexedParams) { move_indexed<uint32_t, false>(p); }
KERNEL(gather_8, IndexedParams) { move_indexed<bytes8, false>(p); }
KERNEL(gather_16, IndexedParams) { move_indexed<bytes16, false>(p); }
KERNEL(scatter_1, IndexedParams) { move_indexed<uint8_t, true>(p); }
KERNEL(scatter_2, IndexedParams) { move_indexed<uint16_t, true>(p); }
KERNEL(scatter_4, IndexedParams) { move_indexed<uint32_t, true>(p); }
KERNEL(scatter_8, IndexedParams) { move_indexed<bytes8, true>(p); }
KERNEL(scatter_16, IndexedParams) { move_indexed<bytes16, true>(p); }
