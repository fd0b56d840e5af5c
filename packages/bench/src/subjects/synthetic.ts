import { allocate, type DType, dtypes, sizeOf, type TensorInfo } from '@lowlat/core'
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { mersenne } from 'pure-rand/generator/mersenne'

/** Size of axes that the model leaves open, other than the first (the batch): a medium sentence for text models. */
const OPEN_AXIS = 128

interface SyntheticInput {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: ReturnType<typeof allocate>
}

export function shapeOf(info: TensorInfo, batch: number): number[] {
  return info.shape.map((dim, axis) => (typeof dim === 'number' ? dim : axis === 0 ? batch : OPEN_AXIS))
}

/**
 * Seeded data for every input: floats uniform in [-1, 1), half and bfloat16 zeros (their bits are not numbers), and
 * ones for integers and booleans, which are valid as token ids, token types and attention masks alike.
 */
export function syntheticInputs(inputs: readonly TensorInfo[], batch: number): SyntheticInput[] {
  const random = mersenne(1)
  return inputs.map((info) => {
    const shape = shapeOf(info, batch)
    const data = allocate(info.dtype, sizeOf(shape))
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data.fill(1n)
    else if (info.dtype === 'float32' || info.dtype === 'float64') {
      for (let i = 0; i < data.length; i++) data[i] = 2 * uniformFloat64(random) - 1
    } else if (dtypes[info.dtype].kind !== 'float') data.fill(1)
    return { name: info.name, dtype: info.dtype, shape, data }
  })
}

/** The sum of absolute values: a number that depends on every element and on no rounding order to speak of. */
export function checksum(values: ArrayLike<number | bigint>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += Math.abs(Number(values[i]))
  return sum
}
