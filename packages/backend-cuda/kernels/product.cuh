// Matrix products and convolutions as matrix products: out[m, n] = sum over k of a[m, k] b[n, k].
// A row m is a place (image, y, x) of the output, k = (tap y, tap x, channel) of the input: `im2col` that is never written down.
// A plain product is a convolution whose kernel has one element. Fields are those of `productLayout` in src/kernels/product.ts.
#pragma once
#include "division.cuh"
#include "epilogue.cuh"

/** Elements from one product of a batch to the next, on both levels of the batch: `batchFields`. */
#define BATCH_FIELDS(name) \
  int64_t name##Outer;     \
  int64_t name##Inner

struct ProductParams {
  const void* input;
  const void* weights;
  EPILOGUE_POINTER_FIELDS;
  void* partials;
  int32_t* counters;
  BATCH_FIELDS(input);
  BATCH_FIELDS(weights);
  BATCH_FIELDS(output);
  BATCH_FIELDS(residual);
  int32_t innerCount;
  int32_t innerChannels;
  int32_t splits;
  int32_t stepsPerSplit;
  int32_t rows;
  int32_t columns;
  int32_t depth;
  // Rows are numbered image by image, line by line.
  DIVISOR_FIELDS(places);
  DIVISOR_FIELDS(lineWidth);
  DIVISOR_FIELDS(channels);
  DIVISOR_FIELDS(kernelWidth);
  WINDOW_FIELDS;
  uint32_t paddingBytes;
  PLACE_FIELDS(input);
  // Elements from one column of the weights, and one element of the depth, to the next.
  int32_t weightsColumn;
  int32_t weightsDepth;
  int32_t inputStorage;
  int32_t weightsStorage;
  int32_t weightsConstant;
  EPILOGUE_FIELDS;
};

/** The product of a batch, the tile and the part of the depth that this block works on. */
struct BlockWork {
  int outer, inner, split;
  int row, column;
  int firstStep, steps;
};

template <int TileRows, int TileColumns>
DEVICE BlockWork block_work(const ProductParams& p, int stepDepth) {
  BlockWork w;
  const int batch = blockIdx.z / p.splits;
  w.split = blockIdx.z - batch * p.splits;
  w.outer = batch / p.innerCount;
  w.inner = batch - w.outer * p.innerCount;
  w.row = blockIdx.x * TileRows;
  w.column = blockIdx.y * TileColumns;
  const int all = ceil_div(p.depth, stepDepth);
  w.firstStep = w.split * p.stepsPerSplit;
  w.steps = all - w.firstStep < p.stepsPerSplit ? all - w.firstStep : p.stepsPerSplit;
  return w;
}

/** The place of the output that a row is. */
struct Place {
  int image, line, pixel;
};

DEVICE Place place_of(const ProductParams& p, int row) {
  const int image = divide(row, p.placesMultiplier, p.placesShift);
  const int place = row - image * p.places;
  const int line = divide(place, p.lineWidthMultiplier, p.lineWidthShift);
  return Place{image, line, place - line * p.lineWidth};
}

/** Where a row begins in the input: its element (before the padding is cut off) and its place. */
struct RowStart {
  int offset, y, x;
};

DEVICE RowStart row_start(const ProductParams& p, int row) {
  // Outside of every image: reads of a row that does not exist are padding.
  if (row >= p.rows) return RowStart{0, -(1 << 30), 0};
  const Place place = place_of(p, row);
  const int y = place.line * p.strideHeight - p.padTop, x = place.pixel * p.strideWidth - p.padLeft;
  return RowStart{place.image * p.inputImage + y * p.inputLine + x * p.inputPixel, y, x};
}

/** What one k adds to every row start. */
struct DepthStart {
  int offset, y, x;
  bool valid;
};

DEVICE DepthStart depth_start(const ProductParams& p, int k) {
  const int tap = divide(k, p.channelsMultiplier, p.channelsShift);
  const int tapLine = divide(tap, p.kernelWidthMultiplier, p.kernelWidthShift);
  const int y = tapLine * p.dilationHeight;
  const int x = (tap - tapLine * p.kernelWidth) * p.dilationWidth;
  return DepthStart{y * p.inputLine + x * p.inputPixel + (k - tap * p.channels) * p.inputChannel, y, x, k < p.depth};
}

DEVICE bool is_inside(const ProductParams& p, const RowStart& row, const DepthStart& depth) {
  return depth.valid && static_cast<uint32_t>(row.y + depth.y) < static_cast<uint32_t>(p.height) &&
         static_cast<uint32_t>(row.x + depth.x) < static_cast<uint32_t>(p.width);
}

template <typename Sum>
DEVICE Sum sum_from_bits(uint32_t bits);
template <>
DEVICE float sum_from_bits<float>(uint32_t bits) {
  return bits_float(bits);
}
template <>
DEVICE int32_t sum_from_bits<int32_t>(uint32_t bits) {
  return static_cast<int32_t>(bits);
}

DEVICE uint32_t sum_bits(float sum) { return float_bits(sum); }
DEVICE uint32_t sum_bits(int32_t sum) { return static_cast<uint32_t>(sum); }

/** A row of a tile of sums takes this many words more than it has: conflict-free for pairs as mma lays them out. */
constexpr int SUMS_PADDING = 8;

/**
 * Finishes and stores a tile of sums that all threads have written to shared memory (a barrier follows here). Where the depth
 * is split, every block leaves its sums in `partials`, and the last one to arrive adds them up, in the order of the splits.
 */
template <int TileRows, int TileColumns, int Threads, typename Sum>
DEVICE void finish_tile(const ProductParams& p, const BlockWork& w, Sum* sums) {
  constexpr int pitch = TileColumns + SUMS_PADDING;
  constexpr int groups = TileColumns / 4;
  Sum* partials = nullptr;
  block_barrier();
  if (p.splits > 1) {
    const int64_t tile = (int64_t(blockIdx.z / p.splits) * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    partials = static_cast<Sum*>(p.partials) + tile * p.splits * (TileRows * TileColumns);
    Sum* own = partials + w.split * (TileRows * TileColumns);
    NO_UNROLL
    for (int i = threadIdx.x; i < TileRows * groups; i += Threads) {
      const int row = i / groups, column = i % groups * 4;
      *reinterpret_cast<bytes16*>(own + row * TileColumns + column) = *reinterpret_cast<const bytes16*>(sums + row * pitch + column);
    }
    thread_fence();
    block_barrier();
    int32_t* arrived = reinterpret_cast<int32_t*>(sums);
    if (threadIdx.x == 0) {
      *arrived = atomic_add(p.counters + tile, 1);
      // The next launch finds zeros again.
      if (*arrived == p.splits - 1) p.counters[tile] = 0;
    }
    block_barrier();
    if (*arrived != p.splits - 1) return;
    thread_fence();
  }
  const int column = w.column + threadIdx.x % groups * 4;
  if (column >= p.columns) return;
  const int left = p.columns - column, channels = left < 4 ? left : 4;
  const FourChannels c = load_channels(p, w.inner * p.innerChannels + column, channels);
  const int64_t outputBase = w.outer * p.outputOuter + w.inner * p.outputInner + int64_t(column) * p.outputChannel;
  const int64_t residualBase = w.outer * p.residualOuter + w.inner * p.residualInner + int64_t(column) * p.residualChannel;
  constexpr int APART = Threads / groups, ROWS = TileRows / APART, COUNT = ROWS < 4 ? ROWS : 4;
  static_assert(Threads % groups == 0 && ROWS % COUNT == 0, "threads must divide a tile evenly");
  NO_UNROLL
  for (int first = threadIdx.x / groups; first < TileRows; first += APART * COUNT) {
    Sum four[COUNT][4];
    FourPlaces places[COUNT];
    UNROLL
    for (int n = 0; n < COUNT; n++) {
      const int row = first + n * APART;
      const Place place = place_of(p, w.row + row);
      places[n].valid = w.row + row < p.rows;
      places[n].output = outputBase + int64_t(place.image) * p.outputImage + int64_t(place.line) * p.outputLine +
                         int64_t(place.pixel) * p.outputPixel;
      places[n].residual = residualBase + int64_t(place.image) * p.residualImage + int64_t(place.line) * p.residualLine +
                           int64_t(place.pixel) * p.residualPixel;
      const bytes16 v = *reinterpret_cast<const bytes16*>(sums + row * pitch + column - w.column);
      four[n][0] = sum_from_bits<Sum>(v.x), four[n][1] = sum_from_bits<Sum>(v.y);
      four[n][2] = sum_from_bits<Sum>(v.z), four[n][3] = sum_from_bits<Sum>(v.w);
    }
    if (partials) {
      UNROLL
      for (int n = 0; n < COUNT; n++) {
        UNROLL
        for (int i = 0; i < 4; i++) four[n][i] = 0;
      }
      const Sum* next = partials + first * TileColumns + column - w.column;
      NO_UNROLL
      for (int split = 0; split < p.splits; split++, next += TileRows * TileColumns) {
        UNROLL
        for (int n = 0; n < COUNT; n++) {
          const bytes16 v = *reinterpret_cast<const bytes16*>(next + n * APART * TileColumns);
          four[n][0] += sum_from_bits<Sum>(v.x), four[n][1] += sum_from_bits<Sum>(v.y);
          four[n][2] += sum_from_bits<Sum>(v.z), four[n][3] += sum_from_bits<Sum>(v.w);
        }
      }
    }
    finish(p, four, c, places, channels, p.vectorStores && channels == 4);
  }
}
