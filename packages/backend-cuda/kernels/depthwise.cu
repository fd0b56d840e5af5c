// Depthwise convolution: channel c of the output depends on channel c of the input. A thread computes four channels of a few
// places that follow each other in a line. Fields are those of `layout` in src/kernels/depthwise.ts.
#include "division.cuh"
#include "epilogue.cuh"

struct DepthwiseParams {
  const void* input;
  const void* weights;
  EPILOGUE_POINTER_FIELDS;
  int32_t channels;
  DIVISOR_FIELDS(groups);
  DIVISOR_FIELDS(runs);
  DIVISOR_FIELDS(lines);
  int32_t images;
  int32_t lineWidth;
  int32_t kernelHeight;
  int32_t kernelWidth;
  int32_t summands;
  int32_t inputStorage;
  int32_t weightsStorage;
  int32_t vectorLoads;
  WINDOW_FIELDS;
  int32_t paddingValue;
  PLACE_FIELDS(input);
  EPILOGUE_FIELDS;
};

/** How four channels are read and multiplied; STRIDE is how far apart they lie. */
struct FloatChannels {
  using Sum = float;
  DEVICE static void load(float (&v)[4], const void* base, int64_t index, int stride, int count, bool vector, int32_t storage) {
    if (vector) return load_float_4(v, base, index, storage, 1.0f, 0);
    UNROLL
    for (int i = 0; i < 4; i++) v[i] = i < count ? load_float(base, index + int64_t(i) * stride, storage, 1.0f, 0) : 0.0f;
  }
  DEVICE static float add(float a, float b, float sum) { return fma_rn(a, b, sum); }
};
template <typename Stored>
struct IntegerChannels {
  using Sum = int32_t;
  template <typename From>
  DEVICE static void load_as(int32_t (&v)[4], const void* base, int64_t index, int stride, int count, bool vector) {
    const From* from = static_cast<const From*>(base) + index;
    if (vector) {
      const uint32_t four = *reinterpret_cast<const uint32_t*>(from);
      UNROLL
      for (int i = 0; i < 4; i++) v[i] = static_cast<From>(four >> (8 * i));
    } else {
      UNROLL
      for (int i = 0; i < 4; i++) v[i] = i < count ? from[int64_t(i) * stride] : 0;
    }
  }
  // Weights are int8 whatever the input is.
  DEVICE static void load(int32_t (&v)[4], const void* base, int64_t index, int stride, int count, bool vector, int32_t storage) {
    if (storage == STORE_INT8) load_as<int8_t>(v, base, index, stride, count, vector);
    else load_as<Stored>(v, base, index, stride, count, vector);
  }
  DEVICE static int32_t add(int32_t a, int32_t b, int32_t sum) { return sum + a * b; }
};

template <typename Channels, int PIXELS>
DEVICE void depthwise(const DepthwiseParams& p) {
  using Sum = typename Channels::Sum;
  const int index = blockIdx.x * blockDim.x + threadIdx.x;
  const int run = divide(index, p.groupsMultiplier, p.groupsShift);
  const int channel = (index - run * p.groups) * 4;
  const int line = divide(run, p.runsMultiplier, p.runsShift);
  const int image = divide(line, p.linesMultiplier, p.linesShift);
  if (image >= p.images) return;
  const int y = line - image * p.lines, x = (run - line * p.runs) * PIXELS;
  const int left = p.channels - channel, count = left < 4 ? left : 4;
  const bool vector = p.vectorLoads && count == 4;
  const int firstY = y * p.strideHeight - p.padTop, firstX = x * p.strideWidth - p.padLeft;
  const int64_t base = int64_t(image) * p.inputImage + int64_t(channel) * p.inputChannel;

  Sum sums[PIXELS][4];
  UNROLL
  for (int i = 0; i < PIXELS; i++) {
    UNROLL
    for (int c = 0; c < 4; c++) sums[i][c] = 0;
  }
  NO_UNROLL
  for (int tapY = 0; tapY < p.kernelHeight; tapY++) {
    const int inputY = firstY + tapY * p.dilationHeight;
    const bool lineInside = static_cast<uint32_t>(inputY) < static_cast<uint32_t>(p.height);
    NO_UNROLL
    for (int tapX = 0; tapX < p.kernelWidth; tapX++) {
      Sum w[4];
      // Weights are packed without gaps, so that four of them are aligned only if their number is a multiple of four.
      const bool vectorWeights = count == 4 && p.channels % 4 == 0;
      const int tap = tapY * p.kernelWidth + tapX;
      Channels::load(w, p.weights, int64_t(tap) * p.channels + channel, 1, count, vectorWeights, p.weightsStorage);
      if (p.summands == 2) {
        Sum second[4];
        const int other = p.kernelHeight * p.kernelWidth + tap;
        Channels::load(second, p.weights, int64_t(other) * p.channels + channel, 1, count, vectorWeights, p.weightsStorage);
        UNROLL
        for (int c = 0; c < 4; c++) w[c] += second[c];
      }
      UNROLL
      for (int i = 0; i < PIXELS; i++) {
        const int inputX = firstX + i * p.strideWidth + tapX * p.dilationWidth;
        Sum v[4];
        UNROLL
        for (int c = 0; c < 4; c++) v[c] = static_cast<Sum>(p.paddingValue);
        if (lineInside && static_cast<uint32_t>(inputX) < static_cast<uint32_t>(p.width))
          Channels::load(v, p.input, base + int64_t(inputY) * p.inputLine + int64_t(inputX) * p.inputPixel, p.inputChannel, count, vector,
                         p.inputStorage);
        UNROLL
        for (int c = 0; c < 4; c++) sums[i][c] = Channels::add(v[c], w[c], sums[i][c]);
      }
    }
  }
  const int64_t output = int64_t(image) * p.outputImage + int64_t(y) * p.outputLine + int64_t(channel) * p.outputChannel;
  const int64_t residual = int64_t(image) * p.residualImage + int64_t(y) * p.residualLine + int64_t(channel) * p.residualChannel;
  FourPlaces places[PIXELS];
  UNROLL
  for (int i = 0; i < PIXELS; i++)
    places[i] = FourPlaces{output + int64_t(x + i) * p.outputPixel, residual + int64_t(x + i) * p.residualPixel, x + i < p.lineWidth};
  finish(p, sums, load_channels(p, channel, count), places, count, p.vectorStores && count == 4);
}

#define DEPTHWISE_KERNEL(type, Channels, pixels) \
  KERNEL_BOUNDED(depthwise_##type##_##pixels, DepthwiseParams, 128, 4) { depthwise<Channels, pixels>(p); }

DEPTHWISE_KERNEL(float, FloatChannels, 1)
DEPTHWISE_KERNEL(float, FloatChannels, 4)
DEPTHWISE_KERNEL(s8, IntegerChannels<int8_t>, 1)
DEPTHWISE_KERNEL(s8, IntegerChannels<int8_t>, 4)
DEPTHWISE_KERNEL(u8, IntegerChannels<uint8_t>, 1)
DEPTHWISE_KERNEL(u8, IntegerChannels<uint8_t>, 4)
