import { type DTypeArray, isDType } from '@lowlat/core'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { createRandom } from '../build/random.ts'
import { describeModel } from '../graph/describe.ts'
import type { Initializer } from '../graph/initializer.ts'

export type OrtFeeds = Record<string, OrtTensor>

/** Outputs of one run by name. */
export async function runModel(bytes: Uint8Array, feeds: OrtFeeds): Promise<OrtFeeds> {
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 4 })
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}

/** Element types that onnxruntime-node takes and gives as the typed arrays that lowlat has them in. */
const runnable = 'float32 float64 float16 int8 uint8 int16 uint16 int32 uint32 int64 uint64 bool'.split(' ')

/** Undefined for element types that this helper cannot feed. */
export function ortTensorFrom(constant: Initializer): OrtTensor | undefined {
  if (constant.elementType === 'string') return new OrtTensor('string', [...constant.strings], constant.shape)
  if (!isDType(constant.elementType) || !runnable.includes(constant.elementType)) return undefined
  const { dtype, data, shape } = constant.tensor
  return new OrtTensor(dtype as 'float32', data as DTypeArray<'float32'>, shape)
}

/** Seeded values for every input: normal floats, and ones and zeros for whole numbers. */
export function randomFeeds(bytes: Uint8Array, sizes: Readonly<Record<string, number>>, seed = 7): OrtFeeds {
  const random = createRandom(seed)
  const feeds = describeModel(bytes).inputs.map(({ name, dtype, shape }) => {
    const dims = shape.map((dim) => (typeof dim === 'number' ? dim : (sizes[dim] ?? 1)))
    const count = dims.reduce((product, dim) => product * dim, 1)
    const tensor =
      dtype === 'int64'
        ? new OrtTensor(
            'int64',
            BigInt64Array.from({ length: count }, () => BigInt(random.integer(2))),
            dims,
          )
        : new OrtTensor('float32', random.normals(new Float32Array(count), 1), dims)
    return [name, tensor]
  })
  return Object.fromEntries(feeds)
}

/** What two runs must agree in, to the bit. */
export function comparable(outputs: OrtFeeds): unknown {
  return Object.entries(outputs).map(([name, { type, dims, data }]) => [
    name,
    type,
    dims,
    ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64') : data,
  ])
}
