import type { Node, Value } from '@lowlat/onnx'
import type { Facts } from '../facts.ts'
import { inGraphOrder } from './layer.ts'
import { isFloat, isOperator } from './quantized.ts'

/** softmax(query key scale + mask) value, over the last axis of the scores. */
export interface AttentionMatch {
  readonly nodes: readonly Node[]
  /** [..., Q, D] with one or two leading axes. */
  readonly query: Value
  /** [..., D, K]: transposed already. */
  readonly key: Value
  /** [..., K, D] */
  readonly value: Value
  readonly scale: number
  /** Broadcast to the scores. */
  readonly mask?: Value
  /** [..., Q, K] */
  readonly scoresShape: readonly number[]
  /** [..., Q, D] */
  readonly output: Value
}

/** Attention around a Softmax, if nothing else reads the scores and weights. */
export function attentionOf(softmax: Node, facts: Facts): AttentionMatch | undefined {
  if (!isOperator(softmax, 'Softmax') || facts.isClaimed(softmax)) return undefined
  const weights = softmax.outputs[0]!
  const mix = facts.soleReader(weights)
  if (!isFree(mix, 'MatMul', facts) || mix.inputs[0] !== weights || mix.inputs[1] === weights) return undefined
  const scores = scoresOf(softmax.inputs[0]!, facts)
  if (!scores) return undefined
  const { product, mask } = scores
  const query = unscaled(product.inputs[0]!, product, facts)
  const key = unscaled(product.inputs[1]!, product, facts)
  const value = mix.inputs[1]!
  const output = mix.outputs[0]!
  const scoresShape = facts.shape(product.outputs[0]!)
  const rank = scoresShape.length
  if (!runsOverLastAxis(softmax, rank, facts) || !isFloat(facts.dtype(output))) return undefined
  const ranks = [query.value, key.value, value, output].map((one) => facts.shape(one).length)
  if (rank < 3 || rank > 4 || ranks.some((other) => other !== rank)) return undefined
  if (facts.shape(query.value).at(-1) !== facts.shape(value).at(-1)) return undefined
  const nodes = [...query.nodes, ...key.nodes, ...scores.nodes, softmax, mix]
  return {
    nodes: inGraphOrder(nodes, facts.graph),
    query: query.value,
    key: key.value,
    value,
    scale: query.factor * key.factor * scores.factor,
    ...(mask && { mask }),
    scoresShape,
    output,
  }
}

interface Scores {
  readonly product: Node
  readonly nodes: readonly Node[]
  readonly factor: number
  readonly mask?: Value
}

/** The product behind what goes into a softmax: scaled, then masked. */
function scoresOf(value: Value, facts: Facts): Scores | undefined {
  const sum = value.producer
  if (isFree(sum, 'Add', facts) && facts.isPrivate(value)) {
    for (const index of [0, 1] as const) {
      const mask = sum.inputs[1 - index]!
      const scores = scaledProductOf(sum.inputs[index]!, facts)
      const isMask = scores && String(facts.shape(scores.product.outputs[0]!)) === String(facts.shape(value))
      if (isMask && isFloat(facts.dtype(mask))) return { ...scores, nodes: [...scores.nodes, sum], mask }
    }
  }
  return facts.isPrivate(value) ? scaledProductOf(value, facts) : undefined
}

function scaledProductOf(value: Value, facts: Facts): Scores | undefined {
  if (!facts.isPrivate(value)) return undefined
  const scaled = scalingOf(value.producer, facts)
  const inner = scaled?.value ?? value
  const product = inner.producer
  if (!isFree(product, 'MatMul', facts) || !facts.isPrivate(inner)) return undefined
  return { product, nodes: [product, ...(scaled ? [scaled.node] : [])], factor: scaled?.factor ?? 1 }
}

/** Some exporters scale query and key before they multiply them. */
function unscaled(value: Value, reader: Node, facts: Facts): { value: Value; factor: number; nodes: readonly Node[] } {
  const scaled = facts.soleReader(value) === reader ? scalingOf(value.producer, facts) : undefined
  return scaled ? { ...scaled, nodes: [scaled.node] } : { value, factor: 1, nodes: [] }
}

/** What a node multiplies with a number that does not depend on data. */
function scalingOf(node: Node | undefined, facts: Facts): { value: Value; factor: number; node: Node } | undefined {
  if (!isFree(node, 'Mul', facts) && !isFree(node, 'Div', facts)) return undefined
  const numberAt = (index: number) => {
    const numbers = facts.known(node.inputs[index])?.size === 1 ? facts.numbers(node.inputs[index]) : undefined
    return numbers?.[0]
  }
  const [left, right] = [numberAt(0), numberAt(1)]
  const index = left !== undefined && node.opType === 'Mul' ? 1 : 0
  const factor = index === 1 ? left : right
  if (factor === undefined) return undefined
  const value = node.inputs[index]!
  if (String(facts.shape(value)) !== String(facts.shape(node.outputs[0]!))) return undefined
  return { value, factor: node.opType === 'Mul' ? factor : 1 / factor, node }
}

const isFree = (node: Node | undefined, opType: string, facts: Facts): node is Node =>
  isOperator(node, opType) && !facts.isClaimed(node)

function runsOverLastAxis(softmax: Node, rank: number, { opset }: Facts): boolean {
  const axis = softmax.int('axis', opset < 13 ? 1 : -1)
  return axis === -1 || axis === rank - 1
}
