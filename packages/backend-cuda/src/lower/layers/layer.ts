import type { Graph, Node, Value } from '@lowlat/onnx'
import type { Facts } from '../facts.ts'
import { convolutionRefusal } from './convolution-shape.ts'
import { productRefusal, productShapeOf } from './product-shape.ts'
import {
  isOperator,
  type QuantizedValue,
  type QuantizedWeight,
  quantizedBiasOf,
  quantizedValueOf,
  quantizedWeightOf,
} from './quantized.ts'
import { plainTailOf, type Tail, tailOf, tailOfSum } from './tail.ts'
import { transposedRefusal } from './transposed-shape.ts'

/** A convolution or matrix product with what its kernel computes besides. */
export interface Layer {
  /** Conv, ConvTranspose, Gemm or MatMul. */
  readonly node: Node
  /** All nodes, in the order of the graph. */
  readonly nodes: readonly Node[]
  readonly operator: string
  /** What is multiplied as integers; floats otherwise. */
  readonly integers?: IntegerOperands
  readonly tail: Tail
}

export interface IntegerOperands {
  readonly input: QuantizedValue
  /** Constant weights, or int8 with zero point 0 that depends on a run. */
  readonly weight: QuantizedWeight | QuantizedValue
  /** Added to the sums, in their steps. */
  readonly bias?: { readonly integers: Value; readonly node: Node }
}

const isConvolution = ({ opType }: Node): boolean => opType === 'Conv' || opType === 'ConvTranspose'

/** Why no kernel computes a Conv, ConvTranspose, Gemm or MatMul; undefined where one does. */
export function layerRefusal(node: Node, facts: Facts): string | undefined {
  if (node.opType === 'Conv') return convolutionRefusal(node, facts)
  return node.opType === 'ConvTranspose' ? transposedRefusal(node, facts) : productRefusal(node, facts)
}

/** Nothing but the node itself. */
export function bareLayer(node: Node): Layer {
  return { node, nodes: [node], operator: node.opType, tail: { nodes: [], names: [], output: node.outputs[0]! } }
}

/** The layer around a node; undefined for nodes that are no layer. */
export function layerOf(node: Node, facts: Facts): Layer | undefined {
  if (!isLayer(node, facts)) return undefined
  const result = node.outputs[0]!
  const integers = integerOperandsOf(node, facts)
  const tail = addsMatrix(node, facts)
    ? tailOfSum(result, facts)
    : tailOf(result, {
        channelAxis: channelAxisOf(node, facts),
        leaves: (sum, other) => computesLater(other, sum, node, facts),
        facts,
      })
  const swallowed = ownOperands(node, integers, facts)
  const nodes = inGraphOrder([...new Set([...swallowed, node, ...tail.nodes])], facts.graph)
  return { node, nodes, operator: [node.opType, ...tail.names].join('+'), ...(integers && { integers }), tail }
}

function isLayer(node: Node | undefined, facts: Facts): node is Node {
  const isKnown = isOperator(node, 'Conv', 'ConvTranspose', 'Gemm', 'MatMul')
  return isKnown && !facts.isClaimed(node) && layerRefusal(node, facts) === undefined
}

/** Where a bias may be added that the node itself does not have. */
function channelAxisOf(node: Node, facts: Facts): number | undefined {
  if (isConvolution(node)) return node.inputs[2] ? undefined : 1
  if (node.inputs[2]) return undefined
  return productShapeOf(node, facts).columnAxis
}

/** Whether a Gemm adds what is no vector of biases: its kernel adds it as it would a residual. */
function addsMatrix(node: Node, facts: Facts): boolean {
  return isOperator(node, 'Gemm') && productShapeOf(node, facts).added === 'matrix'
}

function integerOperandsOf(node: Node, facts: Facts): IntegerOperands | undefined {
  const input = node.opType === 'ConvTranspose' ? undefined : quantizedValueOf(node.inputs[0], facts)
  if (!input || (isOperator(node, 'Gemm') && !productShapeOf(node, facts).isPlain)) return undefined
  const axis = isConvolution(node) ? 0 : productShapeOf(node, facts).weightAxis
  const constant = axis === undefined ? undefined : quantizedWeightOf(node.inputs[1], axis, facts)
  if (!constant) return computedOperandsOf(node, input, facts)
  const bias = quantizedBiasOf(node.inputs[2], input.quantization.scale, constant, facts)
  return { input, weight: constant, ...(bias && !addsMatrix(node, facts) && { bias }) }
}

/** Of a product of two values that depend on a run: their zero points must be 0, since nothing is known to correct by. */
function computedOperandsOf(node: Node, input: QuantizedValue, facts: Facts): IntegerOperands | undefined {
  if (isConvolution(node)) return undefined
  const weight = quantizedValueOf(node.inputs[1], facts)
  if (weight?.quantization.dtype !== 'int8' || weight.quantization.zeroPoint !== 0) return undefined
  return input.quantization.zeroPoint === 0 ? { input, weight } : undefined
}

/** DequantizeLinear nodes that need not run, because nothing but this layer reads them. */
function ownOperands(node: Node, integers: IntegerOperands | undefined, facts: Facts): Node[] {
  const isConstant = (producer: Node) => producer.inputs.every((input) => !input || input.initializer)
  const read = [integers?.input.node, integers?.weight.node, ...node.inputs.slice(1, 3).map((input) => input?.producer)]
  return read.filter((producer): producer is Node => {
    if (!isOperator(producer, 'DequantizeLinear') || facts.isClaimed(producer)) return false
    const isInteger = producer === integers?.input.node || producer === integers?.weight.node
    return (isInteger || isConstant(producer)) && facts.soleReader(producer.outputs[0]!) === node
  })
}

/** Whether the other operand of a sum comes from a layer that stands later in the graph, and can add this one as well. */
function computesLater(other: Value, sum: Node, node: Node, facts: Facts): boolean {
  const positions = positionsOf(facts.graph)
  return layersBehind(other, facts).some((layer) => {
    if (positions.get(layer)! <= positions.get(node)! || addsMatrix(layer, facts)) return false
    const tail = plainTailOf(layer.outputs[0]!, { channelAxis: channelAxisOf(layer, facts), facts })
    return tail.output === other && facts.soleReader(other) === sum
  })
}

/** Layers from which a value comes through at most as many nodes as a bias and an activation have. */
function layersBehind(value: Value, facts: Facts): Node[] {
  const layers = new Set<Node>()
  let front = new Set([value])
  for (let steps = 0; steps < 12 && front.size > 0; steps++) {
    const producers = [...front].flatMap(({ producer }) => producer ?? [])
    for (const producer of producers) if (isLayer(producer, facts)) layers.add(producer)
    const others = producers.filter((producer) => !layers.has(producer))
    front = new Set(others.flatMap(({ inputs }) => inputs.filter((input) => input !== undefined)))
  }
  return [...layers]
}

const positions = new WeakMap<Graph, ReadonlyMap<Node, number>>()

/** Graphs do not change while they are lowered. */
function positionsOf(graph: Graph): ReadonlyMap<Node, number> {
  let known = positions.get(graph)
  if (known?.size !== graph.nodes.length) {
    known = new Map(graph.nodes.map((node, index) => [node, index]))
    positions.set(graph, known)
  }
  return known
}

export function inGraphOrder(nodes: readonly Node[], graph: Graph): Node[] {
  const places = positionsOf(graph)
  return nodes.toSorted((a, b) => places.get(a)! - places.get(b)!)
}
