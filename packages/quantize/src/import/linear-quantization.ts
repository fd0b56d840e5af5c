import { type DType, dtypes, type Shape, Tensor } from '@lowlat/core'
import type { Graph, Node, Value } from '@lowlat/onnx'

/** The constant parameters of a QuantizeLinear or DequantizeLinear: real = scale * (integer - zeroPoint). */
export interface LinearQuantization {
  readonly dtype: DType
  /** The axis of its own scales; undefined for one scale in all. */
  readonly axis: number | undefined
  readonly scales: Float32Array
  /** One per scale. */
  readonly zeroPoints: Int32Array
}

export const isQuantize = (node: Node | undefined): node is Node => isOf(node, 'QuantizeLinear')
export const isDequantize = (node: Node | undefined): node is Node => isOf(node, 'DequantizeLinear')

function isOf(node: Node | undefined, opType: string): boolean {
  return node?.opType === opType && node.domain === ''
}

/**
 * Undefined where scale or zero point are not constant, and for blocks with scales of their own. Expects what
 * {@link normalizeParameters} leaves: a zero point wherever the type is not int32.
 */
export function quantizationOf(node: Node): LinearQuantization | undefined {
  const scale = node.inputs[1]?.initializer
  const zeroPoint = node.inputs[2]?.initializer
  const dtype = zeroPoint?.elementType ?? node.inputs[0]?.elementType
  if (!scale || !dtype || dtype === 'string' || node.int('block_size', 0) !== 0) return undefined
  if (node.inputs[2] && !zeroPoint) return undefined
  const scales = scale.tensor.toFloat32()
  const zeroPoints = zeroPoint ? Int32Array.from(zeroPoint.tensor.toFloat32()) : new Int32Array(scales.length)
  return { dtype, axis: scale.shape.length === 0 ? undefined : axisOf(node), scales, zeroPoints }
}

/** From the front where the rank is known, which it is for constants. */
function axisOf(node: Node): number {
  const axis = node.int('axis', 1)
  const rank = node.inputs[0]?.initializer?.shape.length ?? node.inputs[0]?.shape?.length
  return axis < 0 && rank !== undefined ? axis + rank : axis
}

/** Gives a node other parameters, as constants that no other node reads. The type of its integers is the caller's. */
export function setQuantization(graph: Graph, node: Node, parameters: LinearQuantization): void {
  const { dtype, axis, scales, zeroPoints } = parameters
  const shape: Shape = axis === undefined ? [] : [scales.length]
  const base = node.inputs[0]?.name ?? node.name
  const constant = (suffix: string, tensor: Tensor) =>
    graph.addInitializer(graph.uniqueName(`${base}.${suffix}`), tensor)
  const integers = new dtypes[dtype].array(zeroPoints.length)
  for (const [i, zero] of zeroPoints.entries()) integers[i] = zero
  node.setInput(1, constant('scale', new Tensor('float32', shape, Float32Array.from(scales))))
  node.setInput(2, constant('zeroPoint', new Tensor(dtype, shape, integers)))
  if (axis === undefined) node.removeAttribute('axis')
  else node.setAttribute('axis', { type: 'int', value: BigInt(axis) })
}

/** The nodes that read a value, where nothing else does (an output of the graph). */
export function readersOf(value: Value): readonly Node[] | undefined {
  const nodes = value.uses.flatMap((use) => (use.kind === 'node' ? use.node : []))
  return nodes.length === value.uses.length ? nodes : undefined
}

export function isEightBit({ dtype }: LinearQuantization): boolean {
  return dtype === 'int8' || dtype === 'uint8'
}

/** Of a QuantizeLinear to 8 bits with one scale in all; undefined for others. */
export function activationQuantization(quantize: Node): LinearQuantization | undefined {
  const known = quantizationOf(quantize)
  return known && isEightBit(known) && known.axis === undefined ? known : undefined
}

/**
 * A QuantizeLinear with the DequantizeLinears that read it, where nothing else does and all have equal parameters: their
 * integers can be replaced by others. Undefined elsewhere.
 */
export function pairsOf(quantize: Node): readonly Node[] | undefined {
  const readers = readersOf(quantize.outputs[0]!)
  const known = quantizationOf(quantize)
  if (!known || !readers?.every((node) => isDequantize(node) && hasParameters(node, known))) return undefined
  return [quantize, ...readers]
}

export function hasParameters(node: Node, { dtype, axis, scales, zeroPoints }: LinearQuantization): boolean {
  const other = quantizationOf(node)
  return (
    other?.dtype === dtype &&
    other.axis === axis &&
    other.scales.length === scales.length &&
    other.scales.every((scale, i) => scale === scales[i] && other.zeroPoints[i] === zeroPoints[i])
  )
}
