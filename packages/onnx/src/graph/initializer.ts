import {
  byteLengthOf,
  dtypeFromOnnx,
  dtypes,
  InputError,
  isDType,
  ModelError,
  type Shape,
  sizeOf,
  type Tensor,
} from '@lowlat/core'
import { stringDataType } from '../codec/constants.ts'
import { invalidModel } from '../codec/errors.ts'
import type { TensorProto } from '../codec/messages.ts'
import { numbersOf } from '../codec/packed-list.ts'
import { isExternal, nameOf, stringsFromMessage, tensorFromMessage } from './tensor-data.ts'
import type { ElementType } from './value-type.ts'

/**
 * A constant tensor of a model: an initializer or a tensor attribute. Immutable; its elements are read from the file
 * only when asked for.
 */
export class Initializer {
  /** Undefined for a data type that this version does not know. */
  readonly elementType: ElementType | undefined
  readonly shape: Shape
  /** The message as it stands in the file; its name is not used. */
  readonly message: TensorProto
  #tensor: Tensor | undefined

  private constructor(message: TensorProto, elementType: ElementType | undefined, shape: Shape, tensor?: Tensor) {
    this.message = message
    this.elementType = elementType
    this.shape = shape
    this.#tensor = tensor
  }

  /** Copies nothing. @throws ModelError MODEL_INVALID for negative or absurd dimensions. */
  static fromMessage(message: TensorProto): Initializer {
    const shape = numbersOf(message.dims).map((dim) => {
      if (dim < 0n || dim > BigInt(Number.MAX_SAFE_INTEGER)) {
        throw invalidModel(`Expected sizes of 0 or more in the shape of ${nameOf(message)}, got ${dim}.`)
      }
      return Number(dim)
    })
    const code = message.dataType ?? 0
    return new Initializer(message, code === stringDataType ? 'string' : dtypeFromOnnx(code), shape)
  }

  /** Keeps the tensor's memory: it must not change afterwards. */
  static fromTensor(tensor: Tensor): Initializer {
    const message: TensorProto = {
      dims: tensor.shape.map(BigInt),
      dataType: dtypes[tensor.dtype].onnxCode,
      rawData: tensor.bytes,
    }
    return new Initializer(message, tensor.dtype, tensor.shape, tensor)
  }

  /** @throws InputError INPUT_BYTE_LENGTH when the count differs from the shape. */
  static fromStrings(shape: Shape, strings: readonly string[]): Initializer {
    if (strings.length !== sizeOf(shape)) {
      throw new InputError('INPUT_BYTE_LENGTH', {
        message: `Expected ${sizeOf(shape)} strings for the shape [${shape.join(', ')}], got ${strings.length}.`,
        remedy: 'Pass as many strings as the shape has elements.',
        expected: sizeOf(shape),
        received: strings.length,
      })
    }
    const encoder = new TextEncoder()
    const message: TensorProto = {
      dims: shape.map(BigInt),
      dataType: stringDataType,
      stringData: strings.map((value) => encoder.encode(value)),
    }
    return new Initializer(message, 'string', shape)
  }

  /** What the elements take in memory, whether or not they were read; undefined for strings and unknown types. */
  get byteLength(): number | undefined {
    return isDType(this.elementType) ? byteLengthOf(this.elementType, sizeOf(this.shape)) : undefined
  }

  /** Whether the elements are in another file: `graphFromFile` reads them, what is made from bytes alone cannot. */
  get isExternal(): boolean {
    return isExternal(this.message)
  }

  /**
   * The elements; decoded at the first call and kept. A view on the file where it can be: treat it as read-only.
   * @throws ModelError MODEL_UNSUPPORTED for strings, unknown data types and external data; MODEL_INVALID where the
   * data do not fit the shape.
   */
  get tensor(): Tensor {
    if (this.#tensor) return this.#tensor
    if (!isDType(this.elementType)) {
      throw new ModelError('MODEL_UNSUPPORTED', {
        message: `Expected ${nameOf(this.message)} of a numeric type, got ${this.elementType ?? `data type ${this.message.dataType ?? 0}`}.`,
        remedy: 'Read strings through `strings`; other types need a newer version of lowlat.',
        received: this.message.dataType,
      })
    }
    this.#tensor = tensorFromMessage(this.message, this.elementType, this.shape)
    return this.#tensor
  }

  /** The elements of a string tensor. @throws ModelError MODEL_UNSUPPORTED for numbers, MODEL_INVALID for bad data. */
  get strings(): readonly string[] {
    if (this.elementType === 'string') return stringsFromMessage(this.message, this.shape)
    throw new ModelError('MODEL_UNSUPPORTED', {
      message: `Expected ${nameOf(this.message)} of strings, got ${this.elementType ?? `data type ${this.message.dataType ?? 0}`}.`,
      remedy: 'Read numbers through `tensor`.',
      received: this.elementType,
    })
  }
}
