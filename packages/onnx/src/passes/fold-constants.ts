import { isDType, type Tensor } from '@lowlat/core'
import { evaluateNode } from '../evaluate/evaluate-node.ts'
import type { Graph } from '../graph/graph.ts'
import type { Initializer } from '../graph/initializer.ts'
import type { Node } from '../graph/node.ts'
import type { Value } from '../graph/value.ts'
import { knownShape } from './known-shape.ts'
import { nodePass } from './pass.ts'
import { addConstant, replaceValue, soleReader, standardOpset } from './rewire.ts'

/** What one node may add to the model: indices and masks, but no tensor that was made small on purpose. */
const MAX_GROWTH_BYTES = 1 << 14

/**
 * Nodes that read only constants become constants, unless the model would grow much; so does what types say of shapes.
 * DequantizeLinear stays: a backend wants its integers.
 */
export const foldConstants = nodePass('fold-constants', foldNode)

/** Replaces a node by its results where they are constant. Returns whether it did. */
export function foldNode(node: Node, graph: Graph): boolean {
  if (standardOpset(node, graph) === undefined || node.opType === 'DequantizeLinear') return false
  const results = resultsOf(node, graph)
  const pairs = node.outputs.flatMap((output, index) =>
    output && output.uses.length > 0 ? [{ output, result: results?.[index] }] : [],
  )
  if (pairs.length === 0 || pairs.some(({ result }) => !result)) return false
  for (const { output, result } of pairs) replaceValue(graph, output, addConstant(graph, output.name, result!))
  graph.removeNode(node)
  return true
}

function resultsOf(node: Node, graph: Graph): readonly (Tensor | Initializer | undefined)[] | undefined {
  if (node.opType === 'Constant' && node.attributes.has('value')) return [node.tensor('value')]
  const shape = knownShape(node, graph)
  if (shape) return [shape]
  if (!node.inputs.every(isReadable)) return undefined
  const limit = freedBytes(node) + MAX_GROWTH_BYTES
  const inputs = node.inputs.map((value) => value?.initializer?.tensor)
  const results = evaluateNode(node, inputs, { maxElements: limit })
  const bytes = results?.reduce((sum, result) => sum + (result?.byteLength ?? 0), 0) ?? 0
  return bytes <= limit ? results : undefined
}

function isReadable(value: Value | undefined): boolean {
  const constant = value?.initializer
  return value === undefined || (constant !== undefined && isDType(constant.elementType) && !constant.isExternal)
}

/** Constants that nobody reads once the node is gone. */
function freedBytes(node: Node): number {
  const freed = node.inputs.filter((value) => value && soleReader(value) === node)
  return freed.reduce((sum, value) => sum + value!.initializer!.tensor.byteLength, 0)
}
