import { Tensor } from '@lowlat/core'
import type { Graph, Node, Pass, Value } from '@lowlat/onnx'
import { isOperator } from '../quantized.ts'

/** An operand or a result: its integers, scale and zero point. */
interface Parameters {
  readonly scale: Value
  readonly zeroPoint: Value
}

/**
 * QLinearConv and QLinearMatMul become what they stand for: Conv and MatMul between DequantizeLinear and QuantizeLinear, which
 * layers are made of. Those whose scales and zero points are not constant stay.
 */
export const expandIntegerOperators: Pass = {
  name: 'expand-integer-operators',
  run(graph) {
    let changes = 0
    for (const node of [...graph.nodes]) {
      if (isOperator(node, 'QLinearConv', 'QLinearMatMul') && expand(graph, node)) changes++
    }
    return changes
  },
}

function expand(graph: Graph, node: Node): boolean {
  const [a, , , b, , , , , bias] = node.inputs
  const output = node.outputs[0]!
  const [input, weight, result] = [1, 4, 6].map((index) => parametersAt(node, index))
  if (!a || !b || !input || !weight || !result) return false
  const isConvolution = node.opType === 'QLinearConv'
  const rank = b.initializer?.shape.length ?? b.shape?.length
  if (!isScalar(input.scale) || !isScalar(result.scale) || rank === undefined) return false
  const isPerChannel = !isScalar(weight.scale)
  // DequantizeLinear has an axis from opset 13 on.
  if (isPerChannel && (graph.opset < 13 || weight.scale.initializer!.shape.length !== 1)) return false
  const axis = isPerChannel ? { axis: isConvolution ? 0 : rank - 1 } : {}
  const place = { before: node }
  const dequantize = (
    value: Value,
    { scale, zeroPoint }: Partial<Parameters>,
    attributes: Record<string, number> = {},
  ) => {
    const inputs = [value, scale, zeroPoint]
    const [real] = graph.addNode(
      { opType: 'DequantizeLinear', inputs, outputs: [`${value.name}.real`], attributes },
      place,
    ).outputs
    real!.elementType = 'float32'
    real!.shape = value.shape ?? value.initializer?.shape
    return real!
  }
  const operands = [dequantize(a, input), dequantize(b, weight, axis)]
  if (bias) {
    const scale = biasScale(graph, bias, input.scale, weight.scale)
    operands.push(dequantize(bias, { scale }, isPerChannel ? { axis: 0 } : {}))
  }
  const spec = {
    opType: isConvolution ? 'Conv' : 'MatMul',
    name: node.name,
    inputs: operands,
    outputs: [`${output.name}.real`],
    attributes: Object.fromEntries(node.attributes),
  }
  const [real] = graph.addNode(spec, place).outputs
  real!.elementType = 'float32'
  real!.shape = output.shape
  const inputs = [real, result.scale, result.zeroPoint]
  const [integers] = graph.addNode({ opType: 'QuantizeLinear', inputs, outputs: [output.name] }, place).outputs
  integers!.elementType = output.elementType
  integers!.shape = output.shape
  graph.replaceUses(output, integers!)
  graph.removeNode(node)
  return true
}

function parametersAt(node: Node, index: number): Parameters | undefined {
  const [scale, zeroPoint] = [node.inputs[index], node.inputs[index + 1]]
  const isKnown = [scale, zeroPoint].every((value) => value?.initializer && !value.initializer.isExternal)
  return isKnown && scale!.initializer!.elementType === 'float32' ? { scale: scale!, zeroPoint: zeroPoint! } : undefined
}

const isScalar = ({ initializer }: Value): boolean => initializer!.shape.every((size) => size === 1)

function biasScale(graph: Graph, bias: Value, input: Value, weight: Value): Value {
  const [step] = input.initializer!.tensor.toFloat32()
  const scales = weight.initializer!.tensor.toFloat32().map((scale) => step! * scale)
  const shape = scales.length === 1 ? [] : [scales.length]
  return graph.addInitializer(graph.uniqueName(`${bias.name}.scale`), new Tensor('float32', shape, scales))
}
