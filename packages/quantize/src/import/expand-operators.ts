import { dtypes, isDType, Tensor } from '@lowlat/core'
import type { AttributeValue, Graph, Node, Value } from '@lowlat/onnx'

/** Where an integer operator has its operands: each a value, followed by its scale and its zero point. */
interface Expansion {
  /** The float operator that it stands for. */
  readonly opType: string
  /** Inputs at which the values stand. */
  readonly operands: (node: Node) => readonly number[]
  /** Input with the scale of the result; its zero point follows. Without a scale the result is float. */
  readonly result: number
  /** Input with an int32 bias in steps of the product of the operands' scales. */
  readonly bias?: number
  /** Axis of the second operand that may have scales of its own. */
  readonly weightAxis?: (node: Node) => number
  /** Attributes that the float operator does not have, and the only values under which it does the same. */
  readonly only?: Readonly<Record<string, (node: Node) => boolean>>
}

const unary = (opType: string, only: Expansion['only'] = {}): Expansion => ({
  opType,
  operands: () => [0],
  result: 3,
  only,
})
const binary = (opType: string): Expansion => ({ opType, operands: () => [0, 3], result: 6 })
const channelsFirst = { channels_last: (node: Node) => node.int('channels_last', 0) === 0 }

const expansions: ReadonlyMap<string, Expansion> = new Map(
  Object.entries<Expansion>({
    ':QLinearConv': { ...binary('Conv'), bias: 8, weightAxis: () => 0 },
    ':QLinearMatMul': { ...binary('MatMul'), weightAxis: (node) => rankOf(node.inputs[3]) - 1 },
    'com.microsoft:QGemm': {
      opType: 'Gemm',
      operands: () => [0, 3],
      bias: 6,
      result: 7,
      weightAxis: (node) => (node.int('transB', 0) === 0 ? 1 : 0),
    },
    'com.microsoft:QLinearAdd': binary('Add'),
    'com.microsoft:QLinearMul': binary('Mul'),
    'com.microsoft:QLinearAveragePool': unary('AveragePool', channelsFirst),
    'com.microsoft:QLinearGlobalAveragePool': unary('GlobalAveragePool', channelsFirst),
    'com.microsoft:QLinearSigmoid': unary('Sigmoid'),
    'com.microsoft:QLinearLeakyRelu': unary('LeakyRelu'),
    // Before opset 13 Softmax runs over all axes from `axis` on.
    'com.microsoft:QLinearSoftmax': unary('Softmax', { opset: (node) => node.int('opset') >= 13 }),
    'com.microsoft:QLinearConcat': {
      opType: 'Concat',
      operands: (node) => Array.from({ length: (node.inputs.length - 2) / 3 }, (_, i) => 2 + 3 * i),
      result: 0,
    },
  }),
)

const rankOf = (value: Value | undefined) => value?.initializer?.shape.length ?? value?.shape?.length ?? 2

/**
 * Integer operators with their scales (QLinearConv, QLinearMatMul and those of com.microsoft) become what they compute:
 * the float operator between DequantizeLinear and QuantizeLinear. Those whose parameters are not constant stay.
 * @returns the number of operators that were expanded.
 */
export function expandOperators(graph: Graph): number {
  let count = 0
  for (const node of [...graph.nodes]) {
    const expansion = expansions.get(`${node.domain}:${node.opType}`)
    if (expansion && expand(graph, node, expansion)) count++
  }
  return count
}

interface Operand {
  readonly value: Value
  readonly scale: Value
  readonly zeroPoint: Value
}

function expand(graph: Graph, node: Node, expansion: Expansion): boolean {
  const only = Object.entries(expansion.only ?? {})
  if (only.some(([, holds]) => !holds(node))) return false
  const positions = expansion.operands(node)
  const zero = zeroPointLike(graph, node, [...positions, expansion.result - 1])
  const operandAt = (at: number): Operand | undefined => {
    const [value, scale, zeroPoint] = [node.inputs[at], node.inputs[at + 1], node.inputs[at + 2] ?? zero?.()]
    return value && scale?.initializer && zeroPoint?.initializer && { value, scale, zeroPoint }
  }
  const operands = positions.map(operandAt)
  if (operands.length === 0 || !operands.every((operand) => operand !== undefined)) return false
  const axis = expansion.weightAxis?.(node)
  const isPerChannel = (operand: Operand) => operand.scale.initializer!.shape.some((size) => size > 1)
  if (operands.some((operand, index) => isPerChannel(operand) && (index !== 1 || axis === undefined))) return false

  const place = { before: node }
  const dequantize = (operand: Operand, at = 0) => {
    const { value, scale, zeroPoint } = operand
    const attributes: Record<string, number> = isPerChannel(operand) ? { axis: at } : {}
    const outputs = [`${value.name}.real`]
    const inputs = [value, scale, zeroPoint]
    return graph.addNode({ opType: 'DequantizeLinear', inputs, outputs, attributes }, place).outputs[0]!
  }
  const inputs = operands.map((operand) => dequantize(operand, axis))
  const bias = expansion.bias === undefined ? undefined : node.inputs[expansion.bias]
  if (bias) inputs.push(dequantize(biasOperand(graph, node, bias, operands)))
  const output = node.outputs[0]!
  const base = output.name.replace(/[._]quantized$/, '')
  const attributes: Record<string, AttributeValue> = Object.fromEntries(node.attributes)
  for (const [name] of only) delete attributes[name]
  const real = graph.addNode({ opType: expansion.opType, name: node.name, inputs, outputs: [base], attributes }, place)
    .outputs[0]!
  for (const value of [...inputs, real]) value.elementType = 'float32'
  real.shape = output.shape
  const [scale, zeroPoint] = [node.inputs[expansion.result], node.inputs[expansion.result + 1] ?? zero?.()]
  const result = scale
    ? graph.addNode({ opType: 'QuantizeLinear', inputs: [real, scale, zeroPoint], outputs: [output.name] }, place)
        .outputs[0]!
    : real
  graph.replaceUses(output, result)
  graph.removeNode(node)
  return true
}

/** A zero point of 0 for where the node leaves it out; its type is that of the node's other zero points or operands. */
function zeroPointLike(graph: Graph, node: Node, positions: readonly number[]): (() => Value) | undefined {
  const known = positions.flatMap((at) => [node.inputs[at + 2], at >= 0 ? node.inputs[at] : undefined])
  const dtype = known.map((value) => value?.initializer?.elementType ?? value?.elementType).find(isDType)
  if (dtype !== 'int8' && dtype !== 'uint8') return undefined
  return () =>
    graph.addInitializer(graph.uniqueName('zeroPoint'), new Tensor(dtype, [], new dtypes[dtype].array(1) as Int8Array))
}

function biasOperand(graph: Graph, node: Node, value: Value, [input, weight]: readonly Operand[]): Operand {
  const [step = 1] = input!.scale.initializer!.tensor.toFloat32()
  const alpha = node.opType === 'QGemm' ? node.float('alpha', 1) : 1
  const scales = weight!.scale.initializer!.tensor.toFloat32().map((scale) => alpha * step * scale)
  const shape = scales.length === 1 ? [] : [scales.length]
  const constant = (name: string, tensor: Tensor) =>
    graph.addInitializer(graph.uniqueName(`${value.name}.${name}`), tensor)
  return {
    value,
    scale: constant('scale', new Tensor('float32', shape, scales)),
    zeroPoint: constant('zeroPoint', Tensor.zeros('int32', shape)),
  }
}
