import { type DType, dtypeFromOnnx, dtypes, type Tensor } from '@lowlat/core'
import { roundHalfEven } from './arithmetic.ts'
import { type Elements, newValues, tensorFromValues, valuesOf } from './elements.ts'
import { axisOf, invalidNode, shapeText } from './invalid-node.ts'
import type { Evaluator, Operands } from './operands.ts'

/** For every element of a tensor, which element of its scale belongs to it. */
type ScaleIndex = (element: number) => number

/**
 * One scale for all, one per index of `axis`, or one per block of `block_size` indices of it.
 * @throws ModelError MODEL_INVALID where the scale has another shape.
 */
function scaleIndexOf({ node }: Operands, x: Tensor, scale: Tensor): ScaleIndex {
  if (scale.size === 1 && scale.shape.length <= 1) return () => 0
  const axis = axisOf(node, node.int('axis', 1), x.shape.length)
  const size = x.shape[axis]!
  const inner = x.shape.slice(axis + 1).reduce((product, dim) => product * dim, 1)
  if (scale.shape.length === 1 && scale.size === size) return (element) => Math.floor(element / inner) % size
  const block = node.int('block_size', 0)
  const blocks = block > 0 ? Math.ceil(size / block) : 0
  const expected = x.shape.with(axis, blocks)
  const fits =
    block > 0 && scale.shape.length === expected.length && expected.every((dim, at) => scale.shape[at] === dim)
  if (!fits) {
    throw invalidNode(
      node,
      `one scale, or one per index of axis ${axis} of ${shapeText(x.shape)}`,
      shapeText(scale.shape),
    )
  }
  return (element) => {
    const row = Math.floor(element / inner)
    return (Math.floor(row / size) * blocks + Math.floor((row % size) / block)) * inner + (element % inner)
  }
}

function zeroPoints(operands: Operands, scale: Tensor): Elements {
  const zeroPoint = operands.inputs[2]
  if (!zeroPoint) return new Int8Array(scale.size)
  const values = valuesOf(zeroPoint)
  if (values && zeroPoint.size === scale.size) return values
  throw invalidNode(operands.node, `a zero point for each of ${scale.size} scales`, shapeText(zeroPoint.shape))
}

const isNarrowInteger = (dtype: DType) => dtypes[dtype].bits <= 16 && ['int', 'uint'].includes(dtypes[dtype].kind)

/** The dtype that a QuantizeLinear writes; undefined for one that this version does not know. */
function quantizedDType(operands: Operands): DType | undefined {
  const zeroPoint = operands.inputs[2]
  if (zeroPoint) return zeroPoint.dtype
  const code = operands.node.int('output_dtype', 0)
  return code === 0 ? 'uint8' : dtypeFromOnnx(code)
}

/** saturate(round_half_even(x / scale) + zero_point), of float32 to integers of at most 16 bits. */
const quantizeLinear: Evaluator = (operands) => {
  const [x, scale] = [operands.input(0), operands.input(1)]
  const dtype = quantizedDType(operands)
  if (!dtype || x.dtype !== 'float32' || scale.dtype !== 'float32' || !isNarrowInteger(dtype)) return undefined
  const indexOf = scaleIndexOf(operands, x, scale)
  const zeros = zeroPoints(operands, scale)
  const { bits, kind } = dtypes[dtype]
  const lowest = kind === 'int' ? -(2 ** (bits - 1)) : 0
  const highest = lowest + 2 ** bits - 1
  const out = newValues(dtype, x.size)
  for (let i = 0; i < x.size; i++) {
    const at = indexOf(i)
    const steps = Math.fround((x.data[i] as number) / (scale.data[at] as number))
    if (Number.isNaN(steps)) return undefined // no integer stands for it
    out[i] = Math.min(highest, Math.max(lowest, roundHalfEven(steps) + Number(zeros[at])))
  }
  return [tensorFromValues(dtype, x.shape, out)]
}

/** (x - zero_point) * scale, of integers to the scale's dtype. */
const dequantizeLinear: Evaluator = (operands) => {
  const [x, scale] = [operands.input(0), operands.input(1)]
  const values = valuesOf(x)
  const isInteger = isNarrowInteger(x.dtype) || x.dtype === 'int32'
  if (!values || !isInteger || !['float32', 'float16', 'bfloat16'].includes(scale.dtype)) return undefined
  const indexOf = scaleIndexOf(operands, x, scale)
  const zeros = zeroPoints(operands, scale)
  const scales = scale.toFloat32()
  const out = newValues(scale.dtype, x.size)
  for (let i = 0; i < x.size; i++) {
    const at = indexOf(i)
    out[i] = Math.fround(Number(values[i]) - Number(zeros[at])) * scales[at]!
  }
  return [tensorFromValues(scale.dtype, x.shape, out)]
}

export const quantization: Readonly<Record<string, Evaluator>> = {
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: dequantizeLinear,
}
