import {
  allocate,
  byteLengthOf,
  type DType,
  dtypes,
  ModelError,
  type Shape,
  sizeOf,
  Tensor,
  viewAs,
} from '@lowlat/core'
import { externalDataLocation } from '../codec/constants.ts'
import { invalidModel } from '../codec/errors.ts'
import type { NumberList, TensorProto } from '../codec/messages.ts'
import { numbersOf, PackedList } from '../codec/packed-list.ts'
import type { NumericType } from '../codec/schema.ts'

type TypedField = 'floatData' | 'int32Data' | 'int64Data' | 'doubleData' | 'uint64Data'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Which of TensorProto's typed fields holds the elements of a dtype, after onnx.proto. */
function typedFieldOf(dtype: DType): TypedField {
  switch (dtype) {
    case 'float32':
    case 'complex64':
      return 'floatData'
    case 'float64':
    case 'complex128':
      return 'doubleData'
    case 'int64':
      return 'int64Data'
    case 'uint32':
    case 'uint64':
      return 'uint64Data'
    default:
      // Integers up to 32 bits, bool, and the bits of float16, bfloat16, float8; packed bytes of 4- and 2-bit types.
      return 'int32Data'
  }
}

/**
 * The elements of a tensor message. A view on the file where its bytes are the elements and aligned (raw_data and
 * float lists), a copy otherwise.
 * @throws ModelError MODEL_UNSUPPORTED for data in external files or segments, MODEL_INVALID where data and shape differ.
 */
export function tensorFromMessage(message: TensorProto, dtype: DType, shape: Shape): Tensor {
  const name = nameOf(message)
  if (isExternal(message)) throw externalData(message)
  if (message.segment) {
    throw new ModelError('MODEL_UNSUPPORTED', {
      message: `Expected ${name} in one piece, but the file holds it in segments.`,
      remedy: 'Save the model again with onnx.save, which writes whole tensors.',
    })
  }
  const expected = byteLengthOf(dtype, sizeOf(shape))
  const bytes = message.rawData?.length ? message.rawData : floatBytes(message, dtype)
  if (bytes) {
    if (bytes.length !== expected) throw sizeMismatch(name, dtype, shape, `${expected} bytes`, bytes.length)
    return new Tensor(dtype, shape, viewAs(dtype, bytes))
  }
  const list: NumberList<NumericType> | undefined = message[typedFieldOf(dtype)]
  const length = list?.length ?? 0
  const { BYTES_PER_ELEMENT } = dtypes[dtype].array
  if (length !== expected / BYTES_PER_ELEMENT) {
    throw sizeMismatch(name, dtype, shape, `${expected / BYTES_PER_ELEMENT} numbers`, length)
  }
  const data = allocate(dtype, sizeOf(shape))
  const values = numbersOf(list)
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    for (let i = 0; i < length; i++) data[i] = BigInt(values[i]!)
  } else {
    for (let i = 0; i < length; i++) data[i] = Number(values[i]) // narrower integers wrap, sign-extended or not
  }
  return new Tensor(dtype, shape, data)
}

/** Packed float and double lists are the elements' bytes already. */
function floatBytes(message: TensorProto, dtype: DType): Uint8Array | undefined {
  const field = typedFieldOf(dtype)
  if (field !== 'floatData' && field !== 'doubleData') return undefined
  const list = message[field]
  return list instanceof PackedList ? list.bytes : undefined
}

/** @throws ModelError MODEL_INVALID when the count differs from the shape, or a string is not UTF-8. */
export function stringsFromMessage(message: TensorProto, shape: Shape): string[] {
  if (isExternal(message)) throw externalData(message)
  const strings = message.stringData ?? []
  if (strings.length !== sizeOf(shape)) {
    throw sizeMismatch(nameOf(message), 'string', shape, `${sizeOf(shape)} strings`, strings.length)
  }
  return strings.map((bytes, index) => {
    try {
      return utf8.decode(bytes)
    } catch {
      throw invalidModel(`Expected UTF-8 in element ${index} of ${nameOf(message)}.`)
    }
  })
}

export function isExternal(message: TensorProto): boolean {
  return message.dataLocation === externalDataLocation
}

export function nameOf(message: TensorProto): string {
  return message.name ? `the tensor '${message.name}'` : 'a tensor without a name'
}

function externalData(message: TensorProto): ModelError {
  const location = message.externalData?.find(({ key }) => key === 'location')?.value ?? 'unknown'
  return new ModelError('MODEL_UNSUPPORTED', {
    message: `Expected the data of ${nameOf(message)} in memory, but it is in the external file '${location}'.`,
    remedy: 'Load the model with graphFromFile(path), which reads the files beside it.',
    details: { location },
  })
}

function sizeMismatch(name: string, dtype: string, shape: Shape, expected: string, received: number): ModelError {
  return invalidModel(`Expected ${expected} for ${name}, ${dtype} [${shape.join(', ')}], got ${received}.`)
}
