import type { Graph, Node, Value } from '@lowlat/onnx'

/** Scale and zero point of a QuantizeLinear or DequantizeLinear that has one of each for all elements, both constant. */
export interface UniformQuantization {
  readonly scale: Value
  readonly zeroPoint: Value | undefined
  readonly dtype: 'int8' | 'uint8'
}

export function uniformQuantization(node: Node): UniformQuantization | undefined {
  const [, scale, zeroPoint] = node.inputs
  const integers = node.opType === 'QuantizeLinear' ? node.outputs[0] : node.inputs[0]
  const dtype = zeroPoint?.initializer?.elementType ?? integers?.elementType
  if (dtype !== 'int8' && dtype !== 'uint8') return undefined
  if (!isScalar(scale) || (zeroPoint && !isScalar(zeroPoint))) return undefined
  return { scale, zeroPoint, dtype }
}

function isScalar(value: Value | undefined): value is Value {
  const shape = value?.initializer?.shape
  return shape !== undefined && (shape.length === 0 || (shape.length === 1 && shape[0] === 1))
}

/** Whether two constants, or their absence, are the same. */
function sameConstant(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b) return true
  const [left, right] = [a?.initializer, b?.initializer]
  if (!left || !right || left.elementType !== right.elementType || left.isExternal || right.isExternal) return false
  return Buffer.compare(left.tensor.bytes, right.tensor.bytes) === 0
}

export const sameQuantization = (a: UniformQuantization, b: UniformQuantization): boolean =>
  a.dtype === b.dtype && sameConstant(a.scale, b.scale) && sameConstant(a.zeroPoint, b.zeroPoint)

export const isOutput = (value: Value): boolean => value.uses.some(({ kind }) => kind === 'output')

/** The node again, with other inputs; its first output takes a name like the old one. */
export function repeatNode(graph: Graph, node: Node, inputs: readonly (Value | undefined)[]): Value {
  const { opType, domain, name } = node
  const attributes = Object.fromEntries(node.attributes)
  const outputs = [`${node.outputs[0]!.name}.integers`]
  return graph.addNode({ opType, domain, name, inputs, outputs, attributes }, { before: node }).outputs[0]!
}
