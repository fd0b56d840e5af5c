import { sizeOf, Tensor } from '@lowlat/core'
import type { Graph } from '../graph/graph.ts'
import type { Node } from '../graph/node.ts'
import type { Value } from '../graph/value.ts'
import { nodePass } from './pass.ts'
import { addConstant, intsArgument, isOperator, soleReader } from './rewire.ts'

/** Whatever ends here ends with the tensor: exporters write the largest number of either type. */
const TO_THE_END = 2 ** 31 - 1

/** Every `step`-th position of a tensor along each spatial axis, from `offset` on, to its end. */
interface Grid {
  readonly source: Value
  readonly offset: readonly number[]
  readonly step: readonly number[]
}

/**
 * A convolution of blocks of pixels that were moved into channels (SpaceToDepth, or slices with steps behind a Concat, as
 * in YOLO's "focus" stem) becomes one of the pixels themselves, with a kernel and a stride that are larger by the size
 * of the blocks: the same products, and nothing is moved. Whether that is quicker depends on the kernels of a backend.
 */
export const mergeSpaceToDepth = nodePass('merge-space-to-depth', (node, graph) => {
  if (!isOperator(node, graph, 'Conv') || !isDense(node)) return false
  const weight = node.inputs[1]?.initializer
  if (weight?.elementType !== 'float32' || weight.isExternal || weight.shape.length < 3) return false
  const grids = gridsOf(node.inputs[0], graph, weight.shape)
  const [first] = grids
  if (!first || weight.shape[1]! % grids.length !== 0 || sizeOf(weight.shape) === 0) return false
  node.setInput(1, addConstant(graph, node.inputs[1]!.name, spread(weight.tensor as Tensor<'float32'>, grids)))
  node.setInput(0, first.source)
  const { step } = first
  const scale = (name: string, absent: number, times: number) => {
    const values = node.ints(name, Array(times * step.length).fill(absent))
    const value = values.map((each, index) => BigInt(each * step[index % step.length]!))
    node.setAttribute(name, { type: 'ints', value })
  }
  scale('strides', 1, 1)
  if (node.attributes.has('pads')) scale('pads', 0, 2)
  if (node.attributes.has('kernel_shape')) scale('kernel_shape', 1, 1)
  return true
})

/** Without groups and holes, and with padding that is written down. */
function isDense(conv: Node): boolean {
  if (conv.int('group', 1) !== 1 || conv.ints('dilations', []).some((dilation) => dilation !== 1)) return false
  return ['NOTSET', 'VALID'].includes(conv.string('auto_pad', 'NOTSET'))
}

/** Which pixels each equal share of the channels holds; empty unless together they are all pixels of a tensor, once each. */
function gridsOf(
  value: Value | undefined,
  graph: Graph,
  [, channels = 0, ...kernel]: readonly number[],
): readonly Grid[] {
  const axes = kernel.length
  const producer = value?.producer
  if (!isOperator(producer, graph, 'SpaceToDepth', 'Concat') || !soleReader(value!)) return []
  if (producer.opType === 'SpaceToDepth') return axes === 2 ? blocksOf(producer, channels) : []
  if (![1, -axes - 1].includes(producer.int('axis', 0))) return []
  const grids = producer.inputs.map((input) => gridOf(input!, graph, axes))
  const [first] = grids
  const fits = grids.every(({ source, step }) => source === first!.source && step.join() === first!.step.join())
  const different = new Set(grids.map(({ offset }) => offset.join())).size
  return fits && different === grids.length && different === sizeOf(first!.step) && different > 1 ? grids : []
}

/** [N, C, H, W] -> [N, rows * columns * C, H / rows, W / columns], the rows of a block outermost. */
function blocksOf(node: Node, channels: number): readonly Grid[] {
  const size = node.int('blocksize')
  if (size < 1 || size * size > channels) return []
  const step = [size, size]
  const offsets = Array.from({ length: size * size }, (_, block) => [Math.floor(block / size), block % size])
  return offsets.map((offset) => ({ source: node.inputs[0]!, offset, step }))
}

/** The value as slices of slices of another; of itself where it is no slice. */
function gridOf(value: Value, graph: Graph, axes: number): Grid {
  const identity = { source: value, offset: Array<number>(axes).fill(0), step: Array<number>(axes).fill(1) }
  const slice = value.producer
  const taken = isOperator(slice, graph, 'Slice') && stepsOf(slice, axes)
  if (!taken) return identity
  const { source, offset, step } = gridOf(slice.inputs[0]!, graph, axes)
  return {
    source,
    offset: offset.map((first, axis) => first + step[axis]! * taken.offset[axis]!),
    step: step.map((each, axis) => each * taken.step[axis]!),
  }
}

/**
 * What a Slice of spatial axes takes, to their ends: an offset below the step, so that what lies before the first position
 * that it takes is outside the tensor.
 */
function stepsOf(slice: Node, axes: number): Pick<Grid, 'offset' | 'step'> | undefined {
  const [starts, ends] = [intsArgument(slice, 'starts', 1), intsArgument(slice, 'ends', 2)]
  if (!starts || !ends || (slice.inputs[3] && !intsArgument(slice, 'axes', 3))) return undefined
  const sliced = intsArgument(slice, 'axes', 3) ?? [...starts.keys()]
  const steps = slice.inputs[4] ? intsArgument(slice, 'steps', 4) : starts.map(() => 1)
  const offset = Array<number>(axes).fill(0)
  const step = Array<number>(axes).fill(1)
  for (const [index, each] of sliced.entries()) {
    const axis = each < 0 ? each + axes : each - 2
    const [start = -1, end = 0, every = 0] = [starts[index], ends[index], steps?.[index]]
    const size = slice.inputs[0]?.shape?.[axis + 2]
    const toTheEnd = end >= TO_THE_END || (typeof size === 'number' && end >= size)
    if (axis < 0 || axis >= axes || step[axis] !== 1 || start < 0 || start >= every || !toTheEnd) return undefined
    offset[axis] = start
    step[axis] = every
  }
  return { offset, step }
}

/** [M, grids * C, ...kernel] -> [M, C, ...kernel * step]: each weight where the pixel lies that it is multiplied with. */
function spread({ data, shape }: Tensor<'float32'>, grids: readonly Grid[]): Tensor<'float32'> {
  const [outputs = 0, inputs = 0, ...kernel] = shape
  const { step } = grids[0]!
  const channels = inputs / grids.length
  const larger = kernel.map((size, axis) => size * step[axis]!)
  const result = new Float32Array(data.length)
  const area = sizeOf(kernel)
  for (const [index, weight] of data.entries()) {
    const channel = Math.floor(index / area) % inputs
    const { offset } = grids[Math.floor(channel / channels)]!
    let position = 0
    for (let axis = 0, left = index % area, rest = area; axis < kernel.length; axis++) {
      rest /= kernel[axis]!
      const along = Math.floor(left / rest)
      left %= rest
      position = position * larger[axis]! + along * step[axis]! + offset[axis]!
    }
    const output = Math.floor(index / (area * inputs))
    result[(output * channels + (channel % channels)) * sizeOf(larger) + position] = weight
  }
  return new Tensor('float32', [outputs, channels, ...larger], result)
}
