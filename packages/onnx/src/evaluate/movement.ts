/** Operators that pick, repeat and join elements. */
import { type Shape, sizeOf } from '@lowlat/core'
import { int64, sizesOf } from './constants.ts'
import { broadcastStrides, codesOf, newCodes, stridesOf, tensorFromCodes, valuesOf } from './elements.ts'
import { axisOf, invalidNode, shapeText } from './invalid-node.ts'
import { broadcastShape, type Evaluator, sameDType, strided } from './operands.ts'
import { sliceRange, slicesOf } from './slice-range.ts'
import { splitSizes } from './split-sizes.ts'

const concat: Evaluator = (operands) => {
  const { node } = operands
  const tensors = operands.inputs.map((_, index) => operands.input(index))
  if (tensors.length === 0) throw invalidNode(node, 'at least one input', 'none')
  const dtype = sameDType(node, tensors)
  const first = tensors[0]!.shape
  const axis = axisOf(node, node.int('axis', 1), first.length)
  const shape = [...first]
  shape[axis] = 0
  for (const tensor of tensors) {
    const fits =
      tensor.shape.length === first.length && first.every((size, at) => at === axis || tensor.shape[at] === size)
    if (!fits)
      throw invalidNode(
        node,
        `shapes that differ on axis ${axis} only`,
        tensors.map((t) => shapeText(t.shape)).join(', '),
      )
    shape[axis]! += tensor.shape[axis]!
  }
  if (!operands.fits(shape)) return undefined
  const out = newCodes(dtype, sizeOf(shape))
  const rows = sizeOf(shape.slice(0, axis))
  let at = 0
  const sources = tensors.map((tensor) => ({ codes: codesOf(tensor), row: sizeOf(tensor.shape.slice(axis)) }))
  for (let row = 0; row < rows; row++) {
    for (const { codes, row: length } of sources) {
      if (!codes) return undefined
      for (let i = row * length; i < (row + 1) * length; i++) out[at++] = codes[i]!
    }
  }
  return [tensorFromCodes(dtype, shape, out)]
}

const split: Evaluator = (operands) => {
  const tensor = operands.input(0)
  const { node } = operands
  const { shape } = tensor
  const axis = axisOf(node, node.int('axis', 0), shape.length)
  const strides = stridesOf(shape)
  let start = 0
  return splitSizes(node, operands.integers(1, 'split'), shape[axis]!).map((size) => {
    const offset = start * strides[axis]!
    start += size
    return strided(tensor, shape.with(axis, size), strides, offset)
  })
}

const slice: Evaluator = (operands) => {
  const tensor = operands.input(0)
  const { node } = operands
  const starts = operands.integers(1, 'starts')
  const ends = operands.integers(2, 'ends')
  if (!starts || !ends) throw invalidNode(node, 'starts and ends', 'none')
  const slices = slicesOf(
    node,
    tensor.shape.length,
    starts,
    ends,
    operands.integers(3, 'axes'),
    operands.integers(4, 'steps'),
  )
  const strides = stridesOf(tensor.shape)
  const shape = [...tensor.shape]
  let offset = 0
  for (const { axis, start, end, step } of slices) {
    const range = sliceRange(tensor.shape[axis]!, start, end, step)
    shape[axis] = range.count
    offset += range.first * strides[axis]!
    strides[axis]! *= step
  }
  return [strided(tensor, shape, strides, offset)]
}

const gather: Evaluator = (operands) => {
  const { node } = operands
  const [data, indices] = [operands.input(0), operands.input(1)]
  const axis = axisOf(node, node.int('axis', 0), data.shape.length)
  const shape = [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)]
  const codes = codesOf(data)
  const picks = valuesOf(indices)
  if (!codes || !picks || !operands.fits(shape)) return undefined
  const count = data.shape[axis]!
  const row = sizeOf(data.shape.slice(axis + 1))
  const starts = Array.from(picks, (pick) => {
    const index = Number(pick)
    if (!(index >= -count && index < count)) throw invalidNode(node, `indices below ${count}`, String(pick))
    return (index < 0 ? index + count : index) * row
  })
  const out = newCodes(data.dtype, sizeOf(shape))
  let at = 0
  for (let base = 0; base < codes.length; base += count * row) {
    for (const start of starts) for (let i = 0; i < row; i++) out[at++] = codes[base + start + i]!
  }
  return [tensorFromCodes(data.dtype, shape, out)]
}

const expand: Evaluator = (operands) => {
  const tensor = operands.input(0)
  const shape = broadcastShape(operands.node, tensor.shape, sizesOf(operands.node, operands.input(1)))
  return operands.fits(shape) ? [strided(tensor, shape, broadcastStrides(tensor.shape, shape))] : undefined
}

/** Every axis is read as two: the repetitions, which have a stride of 0, and the axis itself. */
const tile: Evaluator = (operands) => {
  const tensor = operands.input(0)
  const repeats = sizesOf(operands.node, operands.input(1))
  if (repeats.length !== tensor.shape.length) {
    throw invalidNode(operands.node, `${tensor.shape.length} repeats`, shapeText(repeats))
  }
  const shape: Shape = tensor.shape.map((size, axis) => size * repeats[axis]!)
  if (!operands.fits(shape)) return undefined
  const strides = stridesOf(tensor.shape)
  const paired = tensor.shape.flatMap((size, axis) => [repeats[axis]!, size])
  return [
    strided(
      tensor,
      paired,
      strides.flatMap((stride) => [0, stride]),
      0,
      shape,
    ),
  ]
}

/** Indices of the elements that are not 0: [rank, count], in row-major order. */
const nonZero: Evaluator = (operands) => {
  const tensor = operands.input(0)
  const values = valuesOf(tensor)
  if (!values) return undefined
  const found: number[] = []
  for (let i = 0; i < tensor.size; i++) if (Number(values[i]) !== 0) found.push(i)
  const strides = stridesOf(tensor.shape)
  const rows = tensor.shape.flatMap((size, axis) => found.map((at) => Math.floor(at / strides[axis]!) % size))
  return [int64([tensor.shape.length, found.length], rows)]
}

export const movement: Readonly<Record<string, Evaluator>> = {
  Concat: concat,
  Split: split,
  Slice: slice,
  Gather: gather,
  Expand: expand,
  Tile: tile,
  NonZero: nonZero,
}
