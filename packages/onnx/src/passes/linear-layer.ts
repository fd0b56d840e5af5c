import { sizeOf, Tensor } from '@lowlat/core'
import type { Graph } from '../graph/graph.ts'
import type { Node } from '../graph/node.ts'
import type { Value } from '../graph/value.ts'
import { addConstant, isOperator } from './rewire.ts'

type FloatTensor = Tensor<'float32'> | Tensor<'float64'>
type FloatArray = Float32Array | Float64Array

/** A Conv, ConvTranspose or Gemm with constant weights and bias, whose parameters can be computed anew. */
export interface LinearLayer {
  readonly node: Node
  readonly weight: FloatTensor
  /** One element per output channel, zeros where the node has no bias; what Gemm multiplies with it is included. */
  readonly bias: FloatArray
  readonly outputRank: number
  readonly inChannels: number
  readonly outChannels: number
  /** Channel of the layer's input that the element of the weight at this index is multiplied with. */
  inChannelAt(index: number): number
  /** Channel of the output that the product is added to. */
  outChannelAt(index: number): number
}

/** Undefined for other nodes, parameters that are not constant, and types other than float32 and float64. */
export function linearLayerOf(node: Node | undefined, graph: Graph): LinearLayer | undefined {
  if (!isOperator(node, graph, 'Conv', 'ConvTranspose', 'Gemm')) return undefined
  const weight = floatTensorOf(node.inputs[1])
  const layout = weight && (node.opType === 'Gemm' ? gemmLayout(node, weight) : convLayout(node, weight))
  const bias = layout && biasOf(node, weight, layout.outChannels)
  return bias && { node, weight, bias, ...layout }
}

type Layout = Omit<LinearLayer, 'node' | 'weight' | 'bias'>

/** Conv [O, I / groups, ...kernel]; ConvTranspose [I, O / groups, ...kernel]. */
function convLayout(node: Node, { shape }: Tensor): Layout | undefined {
  const groups = node.int('group', 1)
  const [outer = 0, inner = 0, ...kernel] = shape
  if (shape.length < 3 || sizeOf(shape) === 0 || groups < 1 || outer % groups !== 0) return undefined
  const area = sizeOf(kernel)
  const outerPerGroup = outer / groups
  const outerAt = (index: number) => Math.floor(index / (area * inner))
  const innerAt = (index: number) =>
    Math.floor(outerAt(index) / outerPerGroup) * inner + (Math.floor(index / area) % inner)
  const outputRank = shape.length
  return node.opType === 'Conv'
    ? { outputRank, inChannels: inner * groups, outChannels: outer, inChannelAt: innerAt, outChannelAt: outerAt }
    : { outputRank, inChannels: outer, outChannels: inner * groups, inChannelAt: outerAt, outChannelAt: innerAt }
}

/** [I, O], or [O, I] with transB. */
function gemmLayout(node: Node, { shape }: Tensor): Layout | undefined {
  if (shape.length !== 2 || sizeOf(shape) === 0) return undefined
  const [rows = 0, columns = 0] = shape
  const rowAt = (index: number) => Math.floor(index / columns)
  const columnAt = (index: number) => index % columns
  return node.int('transB', 0) === 0
    ? { outputRank: 2, inChannels: rows, outChannels: columns, inChannelAt: rowAt, outChannelAt: columnAt }
    : { outputRank: 2, inChannels: columns, outChannels: rows, inChannelAt: columnAt, outChannelAt: rowAt }
}

function biasOf(node: Node, weight: FloatTensor, channels: number): FloatArray | undefined {
  const value = node.inputs[2]
  if (!value) return arrayLike(weight, channels)
  const bias = perChannel(value, channels, 2, 1)
  if (!bias) return undefined
  const beta = node.opType === 'Gemm' ? node.float('beta', 1) : 1
  return beta === 1 ? bias : bias.map((element) => element * beta)
}

/**
 * A constant that is broadcast along one axis of a tensor, as one element per position of that axis. Undefined where
 * it has other axes too, or would make the tensor larger.
 */
export function perChannel(
  value: Value | undefined,
  channels: number,
  rank: number,
  axis: number,
): FloatArray | undefined {
  const tensor = floatTensorOf(value)
  if (!tensor || tensor.shape.length > rank) return undefined
  const first = rank - tensor.shape.length
  if (!tensor.shape.every((size, index) => size === 1 || (first + index === axis && size === channels)))
    return undefined
  return arrayLike(tensor, channels).map((_, channel) => tensor.data[tensor.size === 1 ? 0 : channel]!)
}

function floatTensorOf(value: Value | undefined): FloatTensor | undefined {
  const constant = value?.initializer
  if (!constant || constant.isExternal) return undefined
  if (constant.elementType !== 'float32' && constant.elementType !== 'float64') return undefined
  return constant.tensor as FloatTensor
}

export function arrayLike(tensor: FloatTensor, length: number): FloatArray {
  return tensor.dtype === 'float32' ? new Float32Array(length) : new Float64Array(length)
}

/** New constants for the layer; the old ones stay where other nodes read them. Gemm's beta becomes 1. */
export function setParameters(graph: Graph, layer: LinearLayer, bias: FloatArray, weight?: FloatArray): void {
  const { node } = layer
  const replace = (index: number, base: string, shape: readonly number[], data: FloatArray) => {
    const tensor =
      data instanceof Float32Array ? new Tensor('float32', shape, data) : new Tensor('float64', shape, data)
    node.setInput(index, addConstant(graph, base, tensor))
  }
  const weightName = node.inputs[1]!.name
  if (weight) replace(1, weightName, layer.weight.shape, weight)
  replace(2, node.inputs[2]?.name ?? `${weightName}.bias`, [layer.outChannels], bias)
  if (node.opType === 'Gemm') node.removeAttribute('beta')
}
