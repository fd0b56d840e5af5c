import { type DType, dtypeFromOnnx, dtypes, isDType } from '@lowlat/core'
import { stringDataType } from '../codec/constants.ts'
import type { Node } from '../graph/node.ts'
import type { ElementType } from '../graph/value-type.ts'
import { nodePass } from './pass.ts'
import { isOperator } from './rewire.ts'

/** A cast of what was cast before without loss reads the first source: float16 -> float32 -> float16 is float16. */
export const mergeCasts = nodePass('merge-casts', (node, graph) => {
  const first = node.inputs[0]?.producer
  if (!isOperator(node, graph, 'Cast') || !isOperator(first, graph, 'Cast')) return false
  const [source, middle, target] = [first.inputs[0]?.elementType, castTarget(first), castTarget(node)]
  if (!source || !middle || !target || !isRedundantCast(source, middle, target)) return false
  node.setInput(0, first.inputs[0])
  return true
})

/** Undefined for a type that this version does not know. */
export function castTarget(cast: Node): ElementType | undefined {
  const code = cast.int('to')
  return code === stringDataType ? 'string' : dtypeFromOnnx(code)
}

/** Bits of the significand, the implicit one included, and largest power of two, after IEEE 754 and bfloat16. */
const floatFormats: Partial<Record<DType, { readonly precision: number; readonly exponent: number }>> = {
  float16: { precision: 11, exponent: 15 },
  bfloat16: { precision: 8, exponent: 127 },
  float32: { precision: 24, exponent: 127 },
  float64: { precision: 53, exponent: 1023 },
}

/** Whether `to` holds every value of `from` unchanged. False for types other than integers, bool and the above floats. */
export function isExactCast(from: ElementType, to: ElementType): boolean {
  if (from === to) return true
  if (!isDType(from) || !isDType(to)) return false
  const [a, b] = [dtypes[from], dtypes[to]]
  const [source, target] = [floatFormats[from], floatFormats[to]]
  if (source) return target !== undefined && target.precision >= source.precision && target.exponent >= source.exponent
  if (from === 'bool') return target !== undefined || isInteger(to)
  if (!isInteger(from)) return false
  const magnitudeBits = a.kind === 'int' ? a.bits - 1 : a.bits
  if (target) return target.precision >= magnitudeBits && target.exponent >= magnitudeBits
  if (!isInteger(to)) return false
  return b.kind === 'int' ? b.bits - 1 >= magnitudeBits : a.kind === 'uint' && b.bits >= a.bits
}

const isInteger = (dtype: DType) => dtypes[dtype].kind === 'int' || dtypes[dtype].kind === 'uint'

/**
 * Whether a cast from `source` over `middle` to `target` gives what one from `source` to `target` gives. What becomes of
 * values that do not fit an integer differs between source types, so that floats may only go where that cannot happen.
 */
export function isRedundantCast(source: ElementType, middle: ElementType, target: ElementType): boolean {
  if (!isExactCast(source, middle) || !isDType(source) || !isDType(target)) return false
  return isExactCast(source, target) || floatFormats[target] !== undefined || (isDType(middle) && isInteger(middle))
}
