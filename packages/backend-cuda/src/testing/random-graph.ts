import { type Shape, sizeOf } from '@lowlat/core'
import { createRandom, type Graph, GraphBuilder, type Random, type Value } from '@lowlat/onnx'

interface Drawn {
  readonly value: Value
  readonly shape: Shape
}

type Step = (draw: Drawing, from: Drawn) => Drawn | undefined

/** A graph under construction: what can be read, and choices from a seed. */
class Drawing {
  readonly g: GraphBuilder
  readonly random: Random
  readonly known: Drawn[] = []

  constructor(seed: number) {
    this.g = new GraphBuilder('random', { seed, opset: 18 })
    this.random = createRandom(seed)
  }

  pick<T>(list: readonly T[]): T {
    return list[this.random.integer(list.length)]!
  }

  /** Something drawn before, recent ones more often. */
  source(): Drawn {
    const back = Math.floor(this.random.exponential(2))
    return this.known[Math.max(0, this.known.length - 1 - back)]!
  }

  op(opType: string, inputs: readonly Value[], shape: Shape, attributes?: Parameters<GraphBuilder['op']>[2]): Drawn {
    return { value: this.g.op(opType, inputs, attributes), shape }
  }

  axis({ shape }: Drawn): number {
    return this.random.integer(Math.max(1, shape.length))
  }
}

const unary: Step = (draw, { value, shape }) =>
  draw.op(draw.pick(['Relu', 'Neg', 'Sigmoid', 'Abs', 'Tanh', 'Cos']), [value], shape)

const binary: Step = (draw, from) => {
  const same = draw.known.filter(({ shape }) => String(shape) === String(from.shape))
  const other =
    draw.random.integer(2) === 0
      ? draw.pick(same).value
      : draw.g.weights(
          'w',
          from.shape.map((size) => draw.pick([1, size])),
          1,
        )
  const operands = draw.random.integer(2) === 0 ? [from.value, other] : [other, from.value]
  return draw.op(draw.pick(['Add', 'Sub', 'Mul', 'Max']), operands, from.shape)
}

const transpose: Step = (draw, { value, shape }) => {
  const left = [...shape.keys()]
  const perm = shape.map(() => left.splice(draw.random.integer(left.length), 1)[0]!)
  return draw.op(
    'Transpose',
    [value],
    perm.map((axis) => shape[axis]!),
    { perm },
  )
}

const joinAxes: Step = (draw, from) => {
  if (from.shape.length < 2) return undefined
  const axis = draw.random.integer(from.shape.length - 1)
  const shape = from.shape.toSpliced(axis, 2, from.shape[axis]! * from.shape[axis + 1]!)
  return draw.op('Reshape', [from.value, draw.g.int64('shape', shape)], shape)
}

const splitAxis: Step = (draw, from) => {
  const axis = draw.axis(from)
  const size = from.shape[axis] ?? 1
  if (size % 2 !== 0 || from.shape.length > 4) return undefined
  const shape = from.shape.toSpliced(
    axis,
    1,
    ...draw.pick([
      [2, size / 2],
      [size / 2, 2],
    ]),
  )
  return draw.op('Reshape', [from.value, draw.g.int64('shape', shape)], shape)
}

const slice: Step = (draw, from) => {
  const axis = draw.axis(from)
  const size = from.shape[axis] ?? 1
  if (size < 3) return undefined
  const [start, end, step] = draw.pick([
    [1, size, 1],
    [0, size - 1, 1],
    [size - 1, -size - 1, -1],
    [0, size, 2],
  ])
  const count = step === -1 ? size : step === 2 ? Math.ceil(size / 2) : size - 1
  const bounds = [start!, end!, axis, step!].map((bound) => draw.g.int64('bound', [bound]))
  return draw.op('Slice', [from.value, ...bounds], from.shape.with(axis, count))
}

const split: Step = (draw, from) => {
  const axis = draw.axis(from)
  const size = from.shape[axis] ?? 1
  if (size < 2) return undefined
  const first = Math.ceil(size / 2)
  const node = draw.g.graph.addNode({
    opType: 'Split',
    inputs: [from.value],
    outputs: 2,
    attributes: { axis, num_outputs: 2 },
  })
  draw.known.push({ value: node.outputs[0]!, shape: from.shape.with(axis, first) })
  return { value: node.outputs[1]!, shape: from.shape.with(axis, size - first) }
}

const concat: Step = (draw, from) => {
  if (sizeOf(from.shape) > 4000) return undefined
  const axis = draw.axis(from)
  const others = draw.known.filter(
    ({ shape }) =>
      shape.length === from.shape.length && shape.every((size, index) => index === axis || size === from.shape[index]),
  )
  const parts = [from, draw.pick(others), ...(draw.random.integer(3) === 0 ? [draw.pick(others)] : [])]
  const inputs = parts.map(({ value, shape }) =>
    draw.random.integer(2) === 0 ? value : draw.op('Sin', [value], shape).value,
  )
  const size = parts.reduce((sum, { shape }) => sum + shape[axis]!, 0)
  return draw.op('Concat', inputs, from.shape.with(axis, size), { axis })
}

const reduce: Step = (draw, from) => {
  const axis = draw.axis(from)
  const keepdims = draw.random.integer(2)
  const shape = keepdims === 1 ? from.shape.with(axis, 1) : from.shape.toSpliced(axis, 1)
  const axes = draw.g.int64('axes', [axis])
  return draw.op(draw.pick(['ReduceSum', 'ReduceMean', 'ReduceMax']), [from.value, axes], shape, { keepdims })
}

const expand: Step = (draw, from) => {
  const axis = from.shape.indexOf(1)
  if (axis < 0) return undefined
  const shape = from.shape.with(axis, 3)
  return draw.op('Expand', [from.value, draw.g.int64('shape', shape)], shape)
}

const unsqueeze: Step = (draw, from) => {
  const axis = draw.axis(from)
  if (from.shape.length > 4) return undefined
  return draw.op('Unsqueeze', [from.value, draw.g.int64('axes', [axis])], from.shape.toSpliced(axis, 0, 1))
}

const softmax: Step = (draw, from) => draw.op('Softmax', [from.value], from.shape, { axis: draw.axis(from) })

const multiply: Step = (draw, from) => {
  const depth = from.shape.at(-1)!
  if (from.shape.length < 2) return undefined
  const weights = draw.g.weights('w', [depth, 8], 1 / Math.sqrt(depth))
  return draw.op('MatMul', [from.value, weights], from.shape.with(-1, 8))
}

const convolve: Step = (draw, from) => {
  if (from.shape.length !== 4) return undefined
  const channels = from.shape[1]!
  const weights = draw.g.weights('w', [8, channels, 3, 3], 1 / Math.sqrt(9 * channels))
  return draw.op('Conv', [from.value, weights], from.shape.with(1, 8), { pads: [1, 1, 1, 1] })
}

/** No kernel has it: runs on the host. */
const onHost: Step = (draw, from) => {
  return draw.op('CumSum', [from.value, draw.g.int64('axis', [draw.axis(from)], [])], from.shape)
}

const steps: readonly Step[] = [
  ...[unary, unary, unary, binary, binary, binary, transpose, transpose, joinAxes, splitAxis, slice, split],
  ...[concat, concat, concat, reduce, expand, unsqueeze, softmax, multiply, convolve, convolve, onHost],
]

/** A graph of operators that compute on, arrange and combine float tensors, with the input 'x' of a fixed shape. */
export function randomGraph(seed: number, count = 16): Graph {
  const draw = new Drawing(seed)
  const shape = draw.pick([
    [2, 8, 5, 6],
    [1, 4, 6, 4],
    [3, 10],
    [2, 6, 8],
  ])
  draw.known.push({ value: draw.g.input('x', 'float32', shape), shape })
  while (draw.known.length < count) {
    const from = draw.source()
    const drawn = draw.pick(steps)(draw, from)
    if (drawn && drawn.shape.length > 0 && sizeOf(drawn.shape) <= 10_000) draw.known.push(drawn)
  }
  const computed = draw.known.filter(({ value }) => value.producer)
  const outputs = new Set([computed.at(-1)!, draw.pick(computed), draw.pick(computed)])
  for (const [index, drawn] of [...outputs].entries()) {
    draw.g.output(`y${index}`, drawn.value, 'float32', drawn.shape)
  }
  return draw.g.graph
}
