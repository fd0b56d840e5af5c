import type { Node, Value } from '@lowlat/onnx'
import type { Activation } from '../../kernels/epilogue.ts'
import type { Facts } from '../facts.ts'
import { activationOf } from './activation.ts'
import {
  isOperator,
  type QuantizedValue,
  quantizedValueOf,
  type TensorQuantization,
  tensorQuantization,
} from './quantized.ts'

/** What happens to the result of a matrix product or convolution before it is stored, in the order of an epilogue. */
export interface Tail {
  readonly nodes: readonly Node[]
  /** For reports: 'Add', 'Gelu'. */
  readonly names: readonly string[]
  /** Added per channel. */
  readonly bias?: Value
  readonly activation?: Activation
  readonly residual?: ResidualMatch
  readonly finalActivation?: Activation
  readonly quantization?: TensorQuantization
  readonly output: Value
}

export interface ResidualMatch {
  /** The other operand; of the result's shape, or broadcast to it. */
  readonly value: Value
  /** Its integers, where it need not be computed itself. */
  readonly quantized?: QuantizedValue
  readonly operation: 'add' | 'multiply'
}

interface TailOptions {
  /** The axis of output channels, if a vector may be added along it. */
  readonly channelAxis: number | undefined
  /** Whether a sum or product is better left to the layer that computes its other operand. */
  readonly leaves: (node: Node, other: Value) => boolean
  readonly facts: Facts
}

/** Follows a result through everything that its kernel can compute in passing. Stops at what something else reads. */
export function tailOf(result: Value, options: TailOptions): Tail {
  const plain = plainTailOf(result, options)
  const sum = withResidual(plain, options)
  return finished(sum ?? plain, sum !== undefined, options.facts)
}

/** As {@link tailOf}, where something was added to the result already that is no vector. */
export function tailOfSum(result: Value, facts: Facts): Tail {
  return finished({ nodes: [], names: [], output: result }, true, facts)
}

/** Bias and activation alone. */
export function plainTailOf(result: Value, options: Pick<TailOptions, 'channelAxis' | 'facts'>): Tail {
  return withActivation(withBias({ nodes: [], names: [], output: result }, options), 'activation', options.facts)
}

function finished(tail: Tail, hasResidual: boolean, facts: Facts): Tail {
  const last = hasResidual ? withActivation(tail, 'finalActivation', facts) : tail
  const node = facts.soleReader(last.output)
  if (!isOperator(node, 'QuantizeLinear') || node.inputs[0] !== last.output || facts.isClaimed(node)) return last
  const quantization = tensorQuantization(node, facts)
  return quantization ? { ...longer(last, [node], 'QuantizeLinear', node.outputs[0]!), quantization } : last
}

function withBias(tail: Tail, { channelAxis, facts }: Pick<TailOptions, 'channelAxis' | 'facts'>): Tail {
  const sum = facts.soleReader(tail.output)
  if (channelAxis === undefined || !isOperator(sum, 'Add') || facts.isClaimed(sum)) return tail
  const bias = sum.inputs[sum.inputs[0] === tail.output ? 1 : 0]
  const { shape } = facts.type(tail.output)
  if (!bias || !facts.isConstant(bias) || !isPerChannel(facts.shape(bias), shape, channelAxis)) return tail
  return { ...longer(tail, [sum], 'Add', sum.outputs[0]!), bias }
}

/** Whether a vector has one element for each index of an axis of `shape`, along which it is broadcast. */
export function isPerChannel(vector: readonly number[], shape: readonly number[], axis: number): boolean {
  const first = shape.length - vector.length
  return first <= axis && vector.every((size, index) => size === (first + index === axis ? shape[axis] : 1))
}

function withActivation(tail: Tail, place: 'activation' | 'finalActivation', facts: Facts): Tail {
  const match = activationOf(tail.output, facts)
  if (!match) return tail
  return {
    ...longer(tail, match.nodes, nameOf(match.nodes, match.activation), match.output),
    [place]: match.activation,
  }
}

function nameOf(nodes: readonly Node[], { kind }: Activation): string {
  return nodes.length === 1 ? nodes[0]!.opType : `${kind[0]!.toUpperCase()}${kind.slice(1)}`
}

function withResidual(tail: Tail, { facts, leaves }: TailOptions): Tail | undefined {
  const own = tail.output
  const node = facts.soleReader(own)
  if (!isOperator(node, 'Add', 'Mul') || node.inputs.length !== 2 || facts.isClaimed(node)) return undefined
  const other = node.inputs[node.inputs[0] === own ? 1 : 0]!
  const output = node.outputs[0]!
  const { dtype, shape } = facts.type(own)
  const added = facts.typeIfKnown(other)
  if (added?.dtype !== dtype || String(shape) !== String(facts.shape(output)) || leaves(node, other)) return undefined
  const quantized = quantizedValueOf(other, facts)
  const isOwn = quantized && facts.soleReader(other) === node && !facts.isClaimed(quantized.node)
  const operation = node.opType === 'Add' ? 'add' : 'multiply'
  const nodes = isOwn ? [quantized.node, node] : [node]
  return {
    ...longer(tail, nodes, node.opType, output),
    residual: { value: other, operation, ...(isOwn && { quantized }) },
  }
}

function longer(tail: Tail, nodes: readonly Node[], name: string, output: Value): Tail {
  return { ...tail, nodes: [...tail.nodes, ...nodes], names: [...tail.names, name], output }
}
