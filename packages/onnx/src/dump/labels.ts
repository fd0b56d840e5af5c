import { dtypes, isDType, type Tensor } from '@lowlat/core'
import { shapeText } from '../evaluate/invalid-node.ts'
import type { Attribute } from '../graph/attribute.ts'
import type { Initializer } from '../graph/initializer.ts'
import type { Value } from '../graph/value.ts'
import type { ValueType } from '../graph/value-type.ts'

/** Constants up to this size are shown with their elements: shapes, axes, scales. */
const SHOWN_ELEMENTS = 8
const SHOWN_TEXT = 60

/** 'float32 [batch, 3, ?]'; '?' for a type, and '[...]' for a rank, that nobody knows. */
export function typeText({ elementType, shape }: ValueType): string {
  return `${elementType ?? '?'} ${shape ? shapeText(shape) : '[...]'}`
}

/** 'int64 [2] {0, -1}'; the elements of small constants only. */
export function constantText(constant: Initializer): string {
  const type = typeText(constant)
  if (constant.isExternal) return `${type} in another file`
  const size = constant.shape.reduce((product, dim) => product * dim, 1)
  if (size > SHOWN_ELEMENTS) return type
  if (constant.elementType === 'string') return `${type} {${constant.strings.map(quoted).join(', ')}}`
  if (!isDType(constant.elementType)) return type
  const elements = elementsText(constant.tensor)
  return elements ? `${type} {${elements.join(', ')}}` : type
}

/** Undefined for elements that share a byte, and for complex numbers. */
function elementsText(tensor: Tensor): readonly string[] | undefined {
  const { bits, kind } = dtypes[tensor.dtype]
  if (bits < 8 || kind === 'complex') return undefined
  if (kind === 'float' && bits <= 32) return Array.from(tensor.toFloat32(), floatText)
  return Array.from(tensor.data as ArrayLike<number | bigint>, String)
}

/** A name as it is, or in quotes where it holds what would look like something else. */
export function nameText(name: string): string {
  return /^[^\s"'(){}=,]+$/.test(name) ? name : quoted(name)
}

/** 'x: float32 [1, 3]', or 'w = int64 [1] {4}' for a constant; '-' for an input that is left out. */
export function valueText(value: Value | undefined): string {
  if (!value) return '-'
  const { initializer } = value
  return nameText(value.name) + (initializer ? ` = ${constantText(initializer)}` : `: ${typeText(value)}`)
}

export function attributeText(attribute: Attribute): string {
  switch (attribute.type) {
    case 'float':
      return floatText(attribute.value)
    case 'int':
      return String(attribute.value)
    case 'string':
      return quoted(attribute.value)
    case 'tensor':
      return constantText(attribute.value)
    case 'floats':
      return listText(attribute.value.map(floatText))
    case 'ints':
      return listText(attribute.value.map(String))
    case 'strings':
      return listText(attribute.value.map(quoted))
    case 'graph':
      return `graph ${nameText(attribute.value.name)}`
    case 'graphs':
      return `${attribute.value.length} graphs`
    case 'other':
      return '...'
  }
}

/** As few digits as tell a float32 from its neighbours, which are nine at most. */
function floatText(value: number): string {
  const digits = [6, 7, 8].find((count) => Math.fround(Number(value.toPrecision(count))) === value) ?? 9
  return String(Number(value.toPrecision(digits)))
}

const SHOWN_LIST = 16

function listText(elements: readonly string[]): string {
  const rest = elements.length - SHOWN_LIST
  return `[${elements.slice(0, SHOWN_LIST).join(', ')}${rest > 0 ? `, ... ${rest} more` : ''}]`
}

function quoted(text: string): string {
  return JSON.stringify(text.length > SHOWN_TEXT ? `${text.slice(0, SHOWN_TEXT)}...` : text)
}
