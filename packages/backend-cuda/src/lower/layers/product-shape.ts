import type { Node, Value } from '@lowlat/onnx'
import type { Facts } from '../facts.ts'
import { isFloat, isOperator } from './quantized.ts'
import { isPerChannel } from './tail.ts'

/** What a Gemm or MatMul multiplies. */
export interface ProductShape {
  readonly a: Value
  readonly b: Value
  readonly transposesA: boolean
  readonly transposesB: boolean
  readonly rows: number
  readonly columns: number
  readonly depth: number
  /** Of b, if it is one matrix: the axis that counts columns. */
  readonly weightAxis: number | undefined
  /** Of the result; undefined where b is a vector. */
  readonly columnAxis: number | undefined
  /** What Gemm adds: one element per column, or something else that is broadcast to the result. */
  readonly added: 'vector' | 'matrix' | undefined
  readonly alpha: number
  readonly beta: number
  /** Without factors of its own. */
  readonly isPlain: boolean
}

export function productShapeOf(node: Node, facts: Facts): ProductShape {
  const [a, b, c] = node.inputs as [Value, Value, Value | undefined]
  const isGemm = isOperator(node, 'Gemm')
  const transposesA = isGemm && node.int('transA', 0) !== 0
  const transposesB = isGemm && node.int('transB', 0) !== 0
  const [alpha, beta] = isGemm ? [node.float('alpha', 1), node.float('beta', 1)] : [1, 1]
  const [left, right, result] = [a, b, node.outputs[0]!].map((value) => facts.shape(value))
  const depth = left!.at(transposesA ? -2 : -1)!
  const columns = right!.length === 1 ? 1 : right!.at(transposesB ? -2 : -1)!
  const rows = left!.length === 1 ? 1 : left!.at(transposesA ? -1 : -2)!
  const isVector = c && facts.isConstant(c) && isPerChannel(facts.shape(c), result!, 1)
  return {
    a,
    b,
    transposesA,
    transposesB,
    rows,
    columns,
    depth,
    weightAxis: right!.length === 2 ? (transposesB ? 0 : 1) : undefined,
    columnAxis: right!.length === 1 ? undefined : result!.length - 1,
    added: c && isGemm ? (isVector ? 'vector' : 'matrix') : undefined,
    alpha,
    beta,
    isPlain: alpha === 1 && (beta === 1 || !c),
  }
}

export function productRefusal(node: Node, facts: Facts): string | undefined {
  const { dtype } = facts.type(node.outputs[0]!)
  if (!isFloat(dtype)) return `has no kernel for ${dtype}`
  const { depth, added, beta } = productShapeOf(node, facts)
  if (depth === 0) return 'sums up nothing'
  return added === 'matrix' && beta !== 1 ? 'has no kernel that scales what it adds (beta)' : undefined
}
