import { type Feeds, type Shape, sizeOf, Tensor } from '@lowlat/core'
import { evaluateNode, type Graph, type Node, topologicalOrder, type Value } from '@lowlat/onnx'
import { convolutionShapeOf } from '../lower/layers/convolution-shape.ts'
import { convolutionReference } from './convolution-reference.ts'
import { factsOf } from './facts.ts'
import { activateReference } from './int8-reference.ts'

/**
 * Computes a graph with Q/DQ as the integer definition says, node by node and unfused: sums of integers are exact, every
 * other step rounds to float32. Conv, Gemm and MatMul of dequantized operands, rectifiers, global averages, a final softmax, and what `evaluateNode` covers.
 */
export function quantizedReference(graph: Graph, feeds: Feeds): ReadonlyMap<Value, Tensor> {
  const shapes = Object.fromEntries(Object.entries(feeds).map(([name, { shape }]): [string, Shape] => [name, shape]))
  const facts = factsOf(graph, 'fp32', shapes)
  const known = new Map<Value, Tensor>()
  const tensorOf = (value: Value): Tensor => {
    const tensor = known.get(value) ?? value.initializer?.tensor
    if (!tensor) throw new Error(`'${value.name}' is not known`)
    return tensor
  }
  for (const input of graph.requiredInputs) known.set(input, feeds[input.name]!)
  for (const node of topologicalOrder(graph)) {
    const [output] = node.outputs
    const inputs = node.inputs.map((input) => input && tensorOf(input))
    const [first] = inputs
    if (node.opType === 'Conv') {
      known.set(output!, new Tensor('float32', facts.shape(output!), convolve(node)))
    } else if (node.opType === 'MatMul' || node.opType === 'Gemm') {
      known.set(output!, new Tensor('float32', facts.shape(output!), multiply(node)))
    } else if (node.opType === 'Relu' || node.opType === 'Clip') {
      const bound = (index: number, otherwise: number) => inputs[index]?.toFloat32()[0] ?? otherwise
      const activation =
        node.opType === 'Relu'
          ? ({ kind: 'relu' } as const)
          : ({ kind: 'clip', alpha: bound(1, -Infinity), beta: bound(2, Infinity) } as const)
      const values = first!.toFloat32().map((x) => activateReference(x, activation))
      known.set(output!, new Tensor('float32', first!.shape, values))
    } else if (node.opType === 'GlobalAveragePool') {
      const inner = sizeOf(first!.shape.slice(2))
      const values = first!.toFloat32()
      const shape = facts.shape(output!)
      const means = new Float32Array(values.length / inner).map((_, index) => {
        return values.subarray(index * inner, (index + 1) * inner).reduce((sum, value) => sum + value, 0) / inner
      })
      known.set(output!, new Tensor('float32', shape, means))
    } else if (node.opType === 'Softmax') {
      known.set(output!, new Tensor('float32', first!.shape, softmax(first!)))
    } else {
      const [result] = evaluateNode(node, inputs) ?? []
      if (!result) throw new Error(`no reference for ${node.opType}`)
      known.set(output!, result)
    }
  }
  return known

  /** Distances from the zero point, and the scales: one, or one per channel. */
  function dequantized(value: Value): { levels: Float64Array; scales: Float32Array } {
    const [integers, scales, zeroPoints] = value.producer!.inputs.map((input) => input && tensorOf(input))
    const zeros = zeroPoints ? Array.from(zeroPoints.data as ArrayLike<number>) : [0]
    if (zeros.some((zero) => zero !== zeros[0])) throw new Error('expected one zero point')
    const levels = Float64Array.from(integers!.data as ArrayLike<number>, (level) => level - zeros[0]!)
    return { levels, scales: scales!.toFloat32() }
  }

  function finish(node: Node, sums: Float64Array, channelOf: (index: number) => number): Float32Array {
    const [input, weight] = [dequantized(node.inputs[0]!), dequantized(node.inputs[1]!)]
    const bias = node.inputs[2]
    const steps = bias?.producer ? dequantized(bias).levels : undefined
    const floats = bias && !steps ? tensorOf(bias).toFloat32() : undefined
    return Float32Array.from(sums, (sum, index) => {
      const channel = channelOf(index)
      const multiplier = Math.fround(input.scales[0]! * (weight.scales[channel] ?? weight.scales[0]!))
      const value = Math.fround(Math.fround(sum + (steps?.[channel] ?? 0)) * multiplier)
      return floats ? value + floats[channel]! : value
    })
  }

  function convolve(node: Node): Float32Array {
    const { strides, dilations, padsBefore, group } = convolutionShapeOf(node, facts)
    const [inputShape, weightsShape, shape] = [node.inputs[0]!, node.inputs[1]!, node.outputs[0]!].map((value) =>
      facts.shape(value),
    ) as [Four, Four, Four]
    const after = [0, 1].map((axis) => {
      const reach = (weightsShape[axis + 2]! - 1) * dilations[axis]! + 1
      return (shape[axis + 2]! - 1) * strides[axis]! + reach - inputShape[axis + 2]! - padsBefore[axis]!
    })
    const { sums } = convolutionReference({
      input: dequantized(node.inputs[0]!).levels,
      inputShape,
      weights: dequantized(node.inputs[1]!).levels,
      weightsShape,
      strides: strides as [number, number],
      dilations: dilations as [number, number],
      pads: [padsBefore[0]!, padsBefore[1]!, after[0]!, after[1]!],
      group,
    })
    return finish(node, sums, (index) => Math.floor(index / (shape[2] * shape[3])) % shape[1])
  }

  function multiply(node: Node): Float32Array {
    const shape = facts.shape(node.outputs[0]!)
    const columns = shape.at(-1)!
    const depth = facts.shape(node.inputs[0]!).at(-1)!
    const transposed = node.opType === 'Gemm' && node.int('transB', 0) === 1
    const [a, b] = [dequantized(node.inputs[0]!).levels, dequantized(node.inputs[1]!).levels]
    const sums = new Float64Array(sizeOf(shape)).map((_, index) => {
      const [row, column] = [Math.floor(index / columns), index % columns]
      let sum = 0
      for (let k = 0; k < depth; k++)
        sum += a[row * depth + k]! * b[transposed ? column * depth + k : k * columns + column]!
      return sum
    })
    return finish(node, sums, (index) => index % columns)
  }
}

/** Over the last axis. */
function softmax(tensor: Tensor): Float32Array {
  const size = tensor.shape.at(-1)!
  const values = tensor.toFloat32()
  const result = new Float32Array(values.length)
  for (let start = 0; start < values.length; start += size) {
    const row = values.subarray(start, start + size)
    const exponentials = Array.from(row, (value) => Math.exp(value - Math.max(...row)))
    const sum = exponentials.reduce((total, value) => total + value, 0)
    result.set(
      exponentials.map((value) => value / sum),
      start,
    )
  }
  return result
}

type Four = readonly [number, number, number, number]
