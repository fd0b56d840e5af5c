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

type SharedType = (typeof shared)[number]

/** @throws ModelError MODEL_UNSUPPORTED for an input or output that onnxruntime-node cannot take or return. */
export function checkType(name: string, type: string): asserts type is SharedType {
  if ((shared as readonly string[]).includes(type)) return
  throw new ModelError('MODEL_UNSUPPORTED', {
    message: `Expected numeric tensors as inputs and outputs, but '${name}' is ${type}.`,
    remedy: `Convert it inside the model; the CPU backend takes ${shared.join(', ')}.`,
    expected: shared,
    received: type,
  })
}

/** @throws ModelError MODEL_UNSUPPORTED for the one name that onnxruntime-node loses, since it keeps results in an object. */
export function checkOutputName(name: string): void {
  if (name !== '__proto__') return
  throw new ModelError('MODEL_UNSUPPORTED', {
    message: "An output named '__proto__' cannot be returned by onnxruntime-node.",
    remedy: 'Rename the output in the model.',
    received: name,
  })
}

/** @throws ModelError MODEL_UNSUPPORTED for inputs and outputs that are not numeric tensors. */
export function tensorInfoFrom(value: InferenceSession.ValueMetadata): TensorInfo {
  const type: string = value.isTensor ? value.type : 'not a tensor'
  checkType(value.name, type)
  const sizes = value.isTensor ? value.shape : []
  const shape = sizes.map((dim, axis): Dim => {
    const known = typeof dim === 'number' ? dim >= 0 : dim !== ''
    return known ? dim : `${value.name}_${axis}`
  })
  return { name: value.name, dtype: type, shape }
}

/** A tensor over the bytes at the start of `buffer`, without a copy. */
export function tensorOver(
  name: string,
  type: string,
  dims: readonly number[],
  buffer: ArrayBufferLike,
  byteOffset = 0,
  byteLength = buffer.byteLength,
): Tensor {
  checkType(name, type)
  const { array } = dtypes[type]
  return new Tensor(type, dims, new array(buffer, byteOffset, byteLength / array.BYTES_PER_ELEMENT))
}

/**
 * onnxruntime-node 1.30 cannot read float16 where the platform has a Float16Array (Node 24). A worker hides it from the
 * library; the application's own thread is not ours to change.
 */
export function runsInline(infos: readonly TensorInfo[]): boolean {
  return !('Float16Array' in globalThis) || infos.every(({ dtype }) => dtype !== 'float16')
}
