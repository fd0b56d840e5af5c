import { type Dim, type DType, dtypes, ModelError, Tensor, type TensorInfo } from '@lowlat/core'
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'

/** Dtypes that onnxruntime-node takes and returns; both sides use the same names and typed arrays. */
const shared = [
  'float32',
  'float64',
  'float16',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'bool',
] as const satisfies readonly (DType & OrtTensor.Type)[]

export type SharedType = (typeof shared)[number]

export function isSharedType(type: string): type is SharedType {
  return (shared as readonly string[]).includes(type)
}

/** @throws ModelError MODEL_UNSUPPORTED for inputs and outputs that are not numeric tensors. */
export function tensorInfoFrom(value: InferenceSession.ValueMetadata): TensorInfo {
  if (!value.isTensor || !isSharedType(value.type)) {
    const what = value.isTensor ? `a ${value.type} tensor` : 'not a tensor'
    throw new ModelError('MODEL_UNSUPPORTED', {
      message: `Expected numeric tensors as inputs and outputs, but '${value.name}' is ${what}.`,
      remedy: `Cut the model before or after it; the CPU backend takes ${shared.join(', ')}.`,
      expected: shared,
      received: value.isTensor ? value.type : 'not a tensor',
    })
  }
  const shape = value.shape.map(
    (dim, axis): Dim => ((typeof dim === 'number' && dim >= 0) || dim ? dim : `${value.name}_${axis}`),
  )
  return { name: value.name, dtype: value.type, shape }
}

/** A tensor over the bytes at the start of `buffer`, without a copy. */
export function tensorOver(
  type: string,
  dims: readonly number[],
  buffer: ArrayBufferLike,
  byteOffset = 0,
  byteLength = buffer.byteLength,
): Tensor {
  if (!isSharedType(type)) {
    throw new ModelError('MODEL_UNSUPPORTED', {
      message: `Expected a numeric output, got ${type}.`,
      remedy: 'Ask for the other outputs by name.',
      received: type,
    })
  }
  const { array } = dtypes[type]
  return new Tensor(type, dims, new array(buffer, byteOffset, byteLength / array.BYTES_PER_ELEMENT))
}
