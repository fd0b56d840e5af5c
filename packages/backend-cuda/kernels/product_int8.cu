#include "product_mma.cuh"

#define INT8_KERNELS(type, Product)                                                   \
  PRODUCT_KERNEL(type, Product, 128x128, Tile128x128, v16, 16, WEIGHTS_BY_COLUMN, 2)  \
  PRODUCT_KERNEL(type, Product, 128x64, Tile128x64, v16, 16, WEIGHTS_BY_COLUMN, 3)    \
  PRODUCT_KERNEL(type, Product, 64x64, Tile64x64, v16, 16, WEIGHTS_BY_COLUMN, 4)      \
  PRODUCT_KERNEL(type, Product, 64x32, Tile64x32, v16, 16, WEIGHTS_BY_COLUMN, 4)      \
  PRODUCT_KERNEL(type, Product, 32x32, Tile32x32, v16, 16, WEIGHTS_BY_COLUMN, 4)      \
  PRODUCT_KERNEL(type, Product, 64x64, Tile64x64, v4, 4, WEIGHTS_BY_COLUMN, 4)        \
  PRODUCT_KERNEL(type, Product, 32x32, Tile32x32, v4, 4, WEIGHTS_BY_COLUMN, 4)        \
  PRODUCT_KERNEL(type, Product, 64x64, Tile64x64Short, any, 0, WEIGHTS_BY_COLUMN, 3)  \
  PRODUCT_KERNEL(type, Product, 64x32, Tile64x32Short, any, 0, WEIGHTS_BY_COLUMN, 3)  \
  PRODUCT_KERNEL(type, Product, 64x32, Tile64x32Short, any_any, 0, WEIGHTS_ANY, 3)

INT8_KERNELS(s8, Int8Product)
INT8_KERNELS(u8, Uint8Product)
