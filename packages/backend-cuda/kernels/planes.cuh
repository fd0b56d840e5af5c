// Images [N, C, H, W] and windows over them, as src/kernels/planes.ts describes them to kernels.
#pragma once
#include "prims.cuh"

/** Elements from one image, line, pixel and channel of a tensor to the next: `placeFields`. */
#define PLACE_FIELDS(name) \
  int32_t name##Image;     \
  int32_t name##Line;      \
  int32_t name##Pixel;     \
  int32_t name##Channel

/** Sizes of the input's planes, and where windows lie on them: `windowFields`. */
#define WINDOW_FIELDS     \
  int32_t height;         \
  int32_t width;          \
  int32_t strideHeight;   \
  int32_t strideWidth;    \
  int32_t dilationHeight; \
  int32_t dilationWidth;  \
  int32_t padTop;         \
  int32_t padLeft
