import type { Node } from '../graph/node.ts'
import type { Value } from '../graph/value.ts'
import { contentKey } from './equal-constants.ts'
import { foldNode } from './fold-constants.ts'
import { mergeNodes, nodeKey, valueNumbers } from './merge-equal.ts'
import { nodePass, type Pass, walkGraphs } from './pass.ts'
import { isOperator, replaceValue } from './rewire.ts'

/**
 * QuantizeLinear of what was dequantized with the same parameters gives back the integers; equal pairs on one value
 * become one; QuantizeLinear of a constant becomes the integers.
 */
export const simplifyQuantization: Pass = {
  name: 'simplify-quantization',
  run(graph) {
    let changes = requantize.run(graph)
    const keyOfValue = contentOrNumber()
    for (const each of [...walkGraphs(graph)]) {
      changes += mergeNodes(each, (node) =>
        isOperator(node, each, 'QuantizeLinear', 'DequantizeLinear') ? nodeKey(node, each, keyOfValue) : undefined,
      )
    }
    return changes + foldWeights.run(graph)
  },
}

const foldWeights = nodePass('', (node, graph) => isOperator(node, graph, 'QuantizeLinear') && foldNode(node, graph))

const requantize = nodePass('', (node, graph) => {
  const first = node.inputs[0]?.producer
  if (!isOperator(node, graph, 'QuantizeLinear') || !isOperator(first, graph, 'DequantizeLinear')) return false
  const [integers] = first.inputs
  if (!integers || !isExact(first, node) || !replaceValue(graph, node.outputs[0]!, integers)) return false
  graph.removeNode(node)
  return true
})

/** Types for which the rounding of (q - zeroPoint) * scale / scale in float32 stays far below a half. */
const exactTypes = ['int4', 'uint4', 'int8', 'uint8', 'int16', 'uint16']

function isExact(dequantize: Node, quantize: Node): boolean {
  const [integers, scale, zeroPoint] = dequantize.inputs
  const [, otherScale, otherZeroPoint] = quantize.inputs
  const type = zeroPoint?.initializer?.elementType ?? integers?.elementType
  if (!type || !exactTypes.includes(type) || !isSafeScale(scale)) return false
  if (!isSame(scale, otherScale) || !isSame(zeroPoint, otherZeroPoint)) return false
  // Without a zero point QuantizeLinear gives uint8, whatever went into DequantizeLinear.
  if (!zeroPoint && (type !== 'uint8' || quantize.attributes.has('output_dtype'))) return false
  return (
    dequantize.int('axis', 1) === quantize.int('axis', 1) &&
    dequantize.int('block_size', 0) === quantize.int('block_size', 0)
  )
}

/** Far from the limits of float32, where a product with 2^17 or its quotient could leave its range. */
function isSafeScale(scale: Value | undefined): boolean {
  if (scale?.initializer?.elementType !== 'float32') return false
  return scale.initializer.tensor.toFloat32().every((value) => value > 2 ** -100 && value < 2 ** 100)
}

function isSame(a: Value | undefined, b: Value | undefined): boolean {
  if (!a || !b) return a === b
  const [left, right] = [a, b].map((value) => value.initializer && contentKey(value.initializer))
  return left !== undefined && left === right
}

/** Constants by content, so that pairs are equal whose parameters are equal but not shared. */
function contentOrNumber(): (value: Value) => string {
  const numberOf = valueNumbers()
  return (value) => (value.initializer && contentKey(value.initializer)) ?? numberOf(value)
}
