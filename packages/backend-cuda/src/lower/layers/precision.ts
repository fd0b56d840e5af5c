import type { DType } from '@lowlat/core'
import type { ProductPrecision } from '../../kernels/packing.ts'
import type { Facts } from '../facts.ts'

/** In which a layer multiplies floats that are stored as `storage`. */
export function floatPrecision(storage: DType, { tf32, device }: Facts): Exclude<ProductPrecision, 'int8'> {
  if (storage === 'float16') return 'fp16'
  return tf32 && device.computeCapability >= 80 ? 'tf32' : 'fp32'
}

/** Whether a kernel can write a result that should have `dtype` here. */
export function canStore(place: DType, dtype: DType): boolean {
  if (dtype === 'int8' || dtype === 'uint8') return place === dtype
  return place === 'float32' || place === 'float16'
}
