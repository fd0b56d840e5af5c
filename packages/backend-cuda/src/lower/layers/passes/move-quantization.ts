import { type Graph, type Node, type Pass, topologicalOrder, type Value } from '@lowlat/onnx'
import { isOperator } from '../quantized.ts'
import {
  isOutput,
  repeatNode,
  sameQuantization,
  type UniformQuantization,
  uniformQuantization,
} from './quantization.ts'

/** Operators that hand on elements of their first input. */
const movements = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose', 'DepthToSpace', 'SpaceToDepth'])
/** Those that may leave elements out: to quantize before them would be more work. */
const selections = new Set(['Slice', 'Gather'])
/** Operators whose results kernels quantize as they store them; integers of other scales are converted without floats in memory. */
const computing = new Set([
  'DequantizeLinear',
  ...['Conv', 'Gemm', 'MatMul', 'Add', 'Mul', 'Relu', 'Clip', 'LeakyRelu', 'Sigmoid', 'HardSigmoid', 'HardSwish'],
  ...['Tanh', 'Elu', 'Gelu', 'Softplus', 'Mish'],
])

/**
 * Lets operators that only move elements, or take the largest, do so on integers, which changes no result:
 * DequantizeLinear goes behind them, and QuantizeLinear before them where the kernel of a layer can do it then.
 */
export const moveQuantization: Pass = {
  name: 'move-quantization',
  run(graph) {
    let changes = 0
    for (const node of topologicalOrder(graph)) {
      if (isOperator(node, 'QuantizeLinear') ? quantizeBefore(graph, node) : dequantizeBehind(graph, node)) changes++
    }
    return changes
  },
}

/** The inputs that are moved; undefined for other operators. */
function movedInputs(node: Node, graph: Graph): readonly Value[] | undefined {
  if (node.domain !== '' && node.domain !== 'ai.onnx') return undefined
  const [first] = node.inputs
  if (node.opType === 'Concat') return node.inputs.every(Boolean) ? (node.inputs as Value[]) : undefined
  // Integers came with opset 12.
  const isMaximum = node.opType === 'MaxPool' && graph.opset >= 12 && !node.outputs[1]
  return first && (movements.has(node.opType) || selections.has(node.opType) || isMaximum) ? [first] : undefined
}

function dequantizeBehind(graph: Graph, node: Node): boolean {
  const moved = movedInputs(node, graph)
  const output = node.outputs[0]
  if (!moved || !output || isOutput(output)) return false
  const sources = moved.map(({ producer }) => producer)
  const [first] = sources
  const parameters = isOperator(first, 'DequantizeLinear') ? uniformQuantization(first) : undefined
  if (!parameters) return false
  const integers = sources.map((source) => integersOf(source, parameters))
  if (!integers.every((value) => value !== undefined)) return false
  const result = repeatNode(graph, node, [...integers, ...node.inputs.slice(integers.length)])
  result.elementType = parameters.dtype
  result.shape = output.shape
  const inputs = [result, parameters.scale, parameters.zeroPoint]
  const real = graph.addNode({ opType: 'DequantizeLinear', inputs, outputs: [`${output.name}.real`] }, { before: node })
  real.outputs[0]!.elementType = output.elementType
  real.outputs[0]!.shape = output.shape
  graph.replaceUses(output, real.outputs[0]!)
  graph.removeNode(node)
  return true
}

function integersOf(source: Node | undefined, parameters: UniformQuantization): Value | undefined {
  if (!isOperator(source, 'DequantizeLinear') || source.inputs[0]!.initializer) return undefined
  const own = uniformQuantization(source)
  return own && sameQuantization(own, parameters) ? source.inputs[0] : undefined
}

function quantizeBefore(graph: Graph, quantize: Node): boolean {
  const value = quantize.inputs[0]!
  const node = value.producer
  const moved = node && graph.nodes.includes(node) ? movedInputs(node, graph) : undefined
  const parameters = uniformQuantization(quantize)
  const output = quantize.outputs[0]!
  if (!node || !moved || !parameters || selections.has(node.opType) || value.uses.length > 1) return false
  if (isOutput(output) || !moved.every((input) => isComputedFor(input, node, graph))) return false
  const integers = moved.map((input) => {
    const inputs = [input, ...quantize.inputs.slice(1)]
    const attributes = Object.fromEntries(quantize.attributes)
    const spec = { opType: 'QuantizeLinear', inputs, outputs: [`${input.name}.integers`], attributes }
    const [result] = graph.addNode(spec, { before: node }).outputs
    result!.elementType = parameters.dtype
    result!.shape = input.shape
    return result!
  })
  const result = repeatNode(graph, node, [...integers, ...node.inputs.slice(integers.length)])
  result.elementType = parameters.dtype
  result.shape = output.shape
  graph.replaceUses(output, result)
  graph.removeNode(quantize)
  graph.removeNode(node)
  return true
}

/** Whether a layer, or what is fused into one, computes the value for this node alone. */
function isComputedFor(value: Value, reader: Node, graph: Graph): boolean {
  const [use, other] = value.uses
  if (use?.kind !== 'node' || use.node !== reader || other) return false
  const { producer } = value
  if (!producer || (producer.domain !== '' && producer.domain !== 'ai.onnx')) return false
  if (computing.has(producer.opType)) return true
  const moved = movedInputs(producer, graph)
  return (
    moved !== undefined && !selections.has(producer.opType) && moved.every((one) => isComputedFor(one, producer, graph))
  )
}
