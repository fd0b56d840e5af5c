import type { Dim, Shape } from '@lowlat/core'
import type { Node } from '../graph/node.ts'
import type { Value } from '../graph/value.ts'
import type { PartialShape } from '../graph/value-type.ts'
import { castTarget } from './merge-casts.ts'
import { nodePass } from './pass.ts'
import { constantInts, intsArgument, replaceValue, standardOpset } from './rewire.ts'

/** Nodes whose output is their first input: Identity, Dropout, casts, slices and the like that change nothing. */
export const removeIdentities = nodePass('remove-identities', (node, graph) => {
  const opset = standardOpset(node, graph)
  const isNoOp = Object.hasOwn(noOps, node.opType) ? noOps[node.opType] : undefined
  const [input] = node.inputs
  const [output, ...others] = node.outputs
  if (!isNoOp || opset === undefined || !input || !output) return false
  if (others.some((value) => value && value.uses.length > 0)) return false
  if (!isNoOp(node, opset) || !replaceValue(graph, output, input)) return false
  graph.removeNode(node)
  return true
})

type Test = (node: Node, opset: number) => boolean

const isAlone: Test = (node) => node.inputs.length === 1

const noOps: Readonly<Record<string, Test>> = {
  Identity: () => true,
  Dropout: (node, opset) => opset < 12 || isFalse(node.inputs[2]),
  Cast: (node) => node.inputs[0]!.elementType !== undefined && node.inputs[0]!.elementType === castTarget(node),
  Concat: isAlone,
  Sum: isAlone,
  Max: isAlone,
  Min: isAlone,
  Mean: isAlone,
  Transpose: (node) => node.attributes.has('perm') && node.ints('perm').every((axis, index) => axis === index),
  Reshape: isSameShape,
  Flatten: isSameShape,
  Squeeze: isSameShape,
  Expand: ({ inputs: [input, shape] }) => {
    const sizes = constantInts(shape)
    return sizes !== undefined && sizes.length <= (input!.shape?.length ?? 0) && sizes.every((size) => size === 1)
  },
  Tile: ({ inputs }) => constantInts(inputs[1])?.every((count) => count === 1) ?? false,
  Pad: (node) => {
    const pads = intsArgument(node, 'pads', 1)
    return pads?.every((pad) => pad === 0) ?? false
  },
  Slice: isWhole,
  Resize: isSameSize,
  Upsample: isSameSize,
}

function isFalse(flag: Value | undefined): boolean {
  return flag === undefined || flag.initializer?.tensor.data[0] === 0
}

/** Whether the shape given by types or by the node's arguments is that of the input. */
function isSameShape(node: Node): boolean {
  const from = node.inputs[0]!.shape
  const targets = [node.outputs[0]!.shape, node.opType === 'Reshape' ? reshapeTarget(node) : undefined]
  return targets.some((to) => from && to && isSame(from, to))
}

/** Of equal rank, and equal in all axes but one: as the elements are as many, that one is equal as well. */
function isSame(from: PartialShape, to: PartialShape): boolean {
  if (from.length !== to.length || from.includes(0)) return false
  const open = [...from.keys()].filter((axis) => to[axis] !== COPIED && (!from[axis] || from[axis] !== to[axis]))
  return open.length === 0 || (open.length === 1 && open.every((axis) => !isNumber(from[axis]) || !isNumber(to[axis])))
}

const isNumber = (dim: Dim | undefined) => typeof dim === 'number'

/** In the shape argument of a Reshape: the size that the input has there. */
const COPIED = 0

function reshapeTarget(node: Node): PartialShape | undefined {
  if (node.int('allowzero', 0) !== 0) return undefined
  return constantInts(node.inputs[1])?.map((size) => (size === -1 ? undefined : size))
}

/** From the first element to the last, in steps of one. */
function isWhole(node: Node): boolean {
  const { shape } = node.inputs[0]!
  const starts = intsArgument(node, 'starts', 1)
  const ends = intsArgument(node, 'ends', 2)
  const steps = node.inputs[4] ? constantInts(node.inputs[4]) : []
  const axes = node.inputs[3] || node.attributes.has('axes') ? intsArgument(node, 'axes', 3) : starts?.map((_, i) => i)
  if (!starts || !ends || !steps || !axes || !steps.every((step) => step === 1)) return false
  return axes.every((axis, index) => {
    const size = shape?.at(axis)
    const end = ends[index] ?? 0
    return starts[index] === 0 && (end >= 2 ** 31 - 1 || (typeof size === 'number' && end >= size))
  })
}

/** Modes in which an output of the input's size has its points where the input has them, whatever the interpolation. */
const sameGrid = ['half_pixel', 'half_pixel_symmetric', 'pytorch_half_pixel', 'asymmetric', 'align_corners']

function isSameSize(node: Node, opset: number): boolean {
  if (!sameGrid.includes(node.string('coordinate_transformation_mode', 'half_pixel'))) return false
  const scales = node.inputs[opset > 10 && node.opType === 'Resize' ? 2 : 1]?.initializer
  if (scales?.elementType === 'float32' && scales.tensor.size > 0) {
    return scales.tensor.toFloat32().every((scale) => scale === 1)
  }
  if (node.attributes.has('scales')) return node.floats('scales').every((scale) => scale === 1)
  const sizes = constantInts(node.inputs[3])
  return sizes !== undefined && isStaticShape(node.inputs[0]!.shape, sizes) && !node.attributes.has('axes')
}

function isStaticShape(shape: PartialShape | undefined, sizes: Shape): boolean {
  return shape?.length === sizes.length && sizes.every((size, axis) => shape[axis] === size)
}
