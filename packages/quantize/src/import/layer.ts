import type { Graph, Node, Value } from '@lowlat/onnx'
import { isDequantize } from './linear-quantization.ts'

/** A Conv, ConvTranspose, Gemm or MatMul whose weight is constant, as floats or as integers behind DequantizeLinear. */
export interface Layer {
  readonly node: Node
  /** The DequantizeLinear of its activation; undefined where the layer reads floats. */
  readonly input: Node | undefined
  /** The DequantizeLinear of its weight; undefined for a float weight. */
  readonly weight: Node | undefined
  /** The axis of the weight that counts the output channels; undefined where they do not lie along one axis. */
  readonly axis: number | undefined
  /** What it adds per channel (input 2). */
  readonly bias: Value | undefined
}

export function layersOf(graph: Graph): Layer[] {
  return graph.nodes.flatMap((node) => layerOf(node) ?? [])
}

function layerOf(node: Node): Layer | undefined {
  const [input, weight, bias] = node.inputs
  if (node.domain !== '' || !input || !weight) return undefined
  const dequantize = dequantizeOf(weight)
  const constant = weight.initializer ?? dequantize?.inputs[0]?.initializer
  if (!constant) return undefined
  const layer = (axis: number | undefined) => ({ node, input: dequantizeOf(input), weight: dequantize, axis, bias })
  switch (node.opType) {
    case 'Conv':
      return layer(0)
    case 'ConvTranspose':
      return layer(node.int('group', 1) === 1 ? 1 : undefined)
    case 'Gemm':
      return layer(node.int('transB', 0) === 0 ? 1 : 0)
    case 'MatMul':
      return layer(constant.shape.length === 2 ? 1 : undefined)
    default:
      return undefined
  }
}

function dequantizeOf({ producer }: Value): Node | undefined {
  return isDequantize(producer) ? producer : undefined
}
