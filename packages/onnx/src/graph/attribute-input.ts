import { InputError, Tensor } from '@lowlat/core'
import type { AttributeValue } from './attribute.ts'
import { Initializer } from './initializer.ts'

/**
 * An attribute as it is written in code: whole numbers and lists of them are int and ints, text is string, a Tensor
 * is a tensor. Float attributes are marked by {@link float} or {@link floats}, because JavaScript's 1 is no less a
 * whole number than an int's.
 */
export type AttributeInput =
  | number
  | bigint
  | string
  | Tensor
  | readonly (number | bigint)[]
  | readonly string[]
  | AttributeValue

export function float(value: number): AttributeValue {
  return { type: 'float', value }
}

export function floats(value: readonly number[]): AttributeValue {
  return { type: 'floats', value }
}

/** @throws InputError INVALID_ARGUMENT for a fraction that is not marked as a float. */
export function attributeFromInput(name: string, input: AttributeInput): AttributeValue {
  if (typeof input === 'string') return { type: 'string', value: input }
  if (typeof input === 'number' || typeof input === 'bigint') return { type: 'int', value: integer(name, input) }
  if (input instanceof Tensor) return { type: 'tensor', value: Initializer.fromTensor(input) }
  if (!isList(input)) return input
  if (isTexts(input)) return { type: 'strings', value: input }
  return { type: 'ints', value: input.map((element) => integer(name, element)) }
}

type ListInput = readonly (number | bigint)[] | readonly string[]

function isList(input: ListInput | AttributeValue): input is ListInput {
  return Array.isArray(input)
}

function isTexts(list: ListInput): list is readonly string[] {
  return typeof list[0] === 'string'
}

function integer(name: string, value: number | bigint): bigint {
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) return BigInt(value)
  throw new InputError('INVALID_ARGUMENT', {
    message: `Expected a whole number for the attribute '${name}', got ${value}.`,
    remedy: 'Mark float attributes with float(value) or floats([...]).',
    received: value,
  })
}
