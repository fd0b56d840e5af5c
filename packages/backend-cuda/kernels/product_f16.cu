#include "product_mma.cuh"

// 7.5 builds each mma of two and needs more registers; its shared memory does not hold two such tiles anyway.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#define LARGE_TILE_BLOCKS 1
#else
#define LARGE_TILE_BLOCKS 2
#endif

PRODUCT_KERNEL(f16, Float16Product, 128x128, Tile128x128, v16, 16, WEIGHTS_BY_COLUMN, LARGE_TILE_BLOCKS)
PRODUCT_KERNEL(f16, Float16Product, 128x64, Tile128x64, v16, 16, WEIGHTS_BY_COLUMN, 3)
PRODUCT_KERNEL(f16, Float16Product, 64x64, Tile64x64, v16, 16, WEIGHTS_BY_COLUMN, 4)
PRODUCT_KERNEL(f16, Float16Product, 64x32, Tile64x32, v16, 16, WEIGHTS_BY_COLUMN, 4)
PRODUCT_KERNEL(f16, Float16Product, 32x32, Tile32x32, v16, 16, WEIGHTS_BY_COLUMN, 4)
PRODUCT_KERNEL(f16, Float16Product, 128x64, Tile128x64, v16_depth, 16, WEIGHTS_BY_DEPTH, 3)
PRODUCT_KERNEL(f16, Float16Product, 64x32, Tile64x32, v16_depth, 16, WEIGHTS_BY_DEPTH, 4)
PRODUCT_KERNEL(f16, Float16Product, 64x64, Tile64x64, v4, 4, WEIGHTS_BY_COLUMN, 4)
PRODUCT_KERNEL(f16, Float16Product, 32x32, Tile32x32, v4, 4, WEIGHTS_BY_COLUMN, 4)
PRODUCT_KERNEL(f16, Float16Product, 64x64, Tile64x64Short, any, 0, WEIGHTS_BY_COLUMN, 4)
PRODUCT_KERNEL(f16, Float16Product, 64x32, Tile64x32Short, any, 0, WEIGHTS_BY_COLUMN, 4)
PRODUCT_KERNEL(f16, Float16Product, 64x32, Tile64x32Short, any_any, 0, WEIGHTS_ANY, 4)
