import type { Node, Value } from '@lowlat/onnx'
import type { Facts } from '../facts.ts'
import { inGraphOrder } from './layer.ts'
import { isOperator } from './quantized.ts'

/** (x - mean) / sqrt(variance + epsilon) scale + bias, mean and variance over the last axes. */
export interface LayerNormMatch {
  readonly nodes: readonly Node[]
  readonly input: Value
  readonly axes: readonly number[]
  readonly epsilon: number
  /** Constant, broadcast to the input. */
  readonly scale?: Value
  readonly bias?: Value
  readonly output: Value
}

/** Layer normalization that an exporter wrote out, found by the mean that it begins with. */
export function layerNormOf(mean: Node, facts: Facts): LayerNormMatch | undefined {
  const input = mean.inputs[0]
  const axes = input && lastAxesOf(mean, input, facts)
  if (!axes) return undefined
  const centre = readerOf(mean, ['Sub'], facts)
  if (!centre || centre.inputs[0] !== input) return undefined
  const difference = centre.outputs[0]!
  const square = difference.uses
    .flatMap((use) => (use.kind === 'node' ? use.node : []))
    .find((node) => isSquare(node, facts))
  const variance = square && readerOf(square, ['ReduceMean'], facts)
  if (!variance || String(lastAxesOf(variance, square.outputs[0]!, facts)) !== String(axes)) return undefined
  const shift = readerOf(variance, ['Add'], facts)
  const epsilon = shift && otherNumber(shift, variance.outputs[0]!, facts)
  const root = shift && readerOf(shift, ['Sqrt'], facts)
  if (epsilon === undefined || !root) return undefined
  const quotient = readerOf(root, ['Div', 'Reciprocal'], facts)
  const inverse = quotient?.opType === 'Reciprocal' ? quotient : undefined
  const normal = inverse ? readerOf(inverse, ['Mul'], facts) : quotient
  if (!normal?.inputs.includes(difference) || (!inverse && normal.inputs[0] !== difference)) return undefined
  const inner = [mean, centre, square, variance, shift, root, ...(inverse ? [inverse] : []), normal]
  if (!difference.uses.every((use) => use.kind === 'node' && inner.includes(use.node))) return undefined
  return withParameters({ nodes: inner, input, axes, epsilon, output: normal.outputs[0]! }, facts)
}

function withParameters(match: LayerNormMatch, facts: Facts): LayerNormMatch {
  let result = match
  for (const [opType, name] of [
    ['Mul', 'scale'],
    ['Add', 'bias'],
  ] as const) {
    const node = readerOf(result.nodes.at(-1)!, [opType], facts)
    const constant = node?.inputs[node.inputs[0] === result.output ? 1 : 0]
    const isParameter =
      node && constant && facts.isConstant(constant) && facts.shape(constant).length <= match.axes.length
    if (isParameter) result = { ...result, nodes: [...result.nodes, node], [name]: constant, output: node.outputs[0]! }
  }
  return { ...result, nodes: inGraphOrder(result.nodes, facts.graph) }
}

/** The only reader of a node's result, if it is one of these operators and free. */
function readerOf(node: Node, opTypes: readonly string[], facts: Facts): Node | undefined {
  const reader = facts.soleReader(node.outputs[0]!)
  return isOperator(reader, ...opTypes) && !facts.isClaimed(reader) ? reader : undefined
}

/** The axes of a mean that keeps them, if they are the last ones of its input. */
function lastAxesOf(node: Node, input: Value, facts: Facts): readonly number[] | undefined {
  if (!isOperator(node, 'ReduceMean') || facts.isClaimed(node) || node.inputs[0] !== input) return undefined
  const rank = facts.shape(input).length
  const given = facts.integers(node, 1, 'axes')
  if (!given || given.length === 0 || node.int('keepdims', 1) === 0) return undefined
  const axes = given.map((axis) => (axis < 0 ? axis + rank : axis)).sort((a, b) => a - b)
  return axes.every((axis, index) => axis === rank - axes.length + index) ? axes : undefined
}

function isSquare(node: Node, facts: Facts): boolean {
  if (facts.isClaimed(node)) return false
  const { opType } = node
  const [base, other] = node.inputs
  if (isOperator(node, 'Mul')) return base === other
  const exponent = opType === 'Pow' ? facts.numbers(other) : undefined
  return exponent?.length === 1 && exponent[0] === 2
}

function otherNumber(node: Node, value: Value, facts: Facts): number | undefined {
  const numbers = facts.numbers(node.inputs[node.inputs[0] === value ? 1 : 0])
  return numbers?.length === 1 ? numbers[0] : undefined
}
