import { isDType, isLowlatError, type Tensor } from '@lowlat/core'
import { evaluateNode } from '../evaluate/evaluate-node.ts'
import type { Graph } from '../graph/graph.ts'
import type { Initializer } from '../graph/initializer.ts'
import type { Node } from '../graph/node.ts'
import type { Value } from '../graph/value.ts'
import { inferTypes } from '../infer/infer-types.ts'
import { nodePass, type Pass } from './pass.ts'
import { addConstant, replaceValue, soleReader, standardOpset } from './rewire.ts'

/** What one node may add to the model: indices and masks, but no tensor that was made small on purpose. */
const MAX_GROWTH_BYTES = 1 << 14

/**
 * Nodes that read only constants become constants, unless the model would grow much; so does what follows from shapes.
 * DequantizeLinear stays, and what is computed of it: a backend wants its integers.
 */
export const foldConstants: Pass = {
  name: 'fold-constants',
  run(graph) {
    if (!graph.model.opsetImports.has('')) return 0
    const { constants } = inferTypes(graph, { update: false })
    const dequantized = new Set<Value>()
    return nodePass('', (node, each) => {
      if (!isDequantized(node, dequantized)) return foldNode(node, each, constants)
      for (const output of node.outputs) if (output) dequantized.add(output)
      return false
    }).run(graph)
  },
}

function isDequantized(node: Node, dequantized: ReadonlySet<Value>): boolean {
  if (node.opType === 'DequantizeLinear') return true
  // Sizes depend on no integers.
  if (node.opType === 'Shape' || node.opType === 'Size') return false
  return node.inputs.some((input) => input && dequantized.has(input))
}

type Results = readonly (Tensor | Initializer | undefined)[] | undefined

/**
 * Replaces a node by its results where they are constant. Returns whether it did.
 * @param known results that follow from shapes.
 */
export function foldNode(node: Node, graph: Graph, known?: ReadonlyMap<Value, Tensor>): boolean {
  if (standardOpset(node, graph) === undefined) return false
  const read = node.outputs.flatMap((output, index): Output[] =>
    output && output.uses.length > 0 ? [{ output, index }] : [],
  )
  if (read.length === 0) return false
  const results = stored(node) ?? computed(node, read, known)
  if (!results || !read.every(({ index }) => results[index])) return false
  for (const { output, index } of read) replaceValue(graph, output, addConstant(graph, output.name, results[index]!))
  graph.removeNode(node)
  return true
}

/** What a Constant holds, as it stands in the file. */
function stored(node: Node): Results {
  return node.opType === 'Constant' && node.attributes.has('value') ? [node.tensor('value')] : undefined
}

interface Output {
  readonly output: Value
  readonly index: number
}

function computed(node: Node, read: readonly Output[], known: ReadonlyMap<Value, Tensor> | undefined): Results {
  const limit = freedBytes(node) + MAX_GROWTH_BYTES
  const isKnown = read.every(({ output }) => known?.has(output))
  const results = isKnown ? node.outputs.map((output) => output && known?.get(output)) : evaluated(node, limit)
  const size = results?.reduce((sum, result) => sum + (result?.byteLength ?? 0), 0) ?? 0
  return size <= limit ? results : undefined
}

function evaluated(node: Node, limit: number): readonly (Tensor | undefined)[] | undefined {
  if (!node.inputs.every(isReadable)) return undefined
  const inputs = node.inputs.map((value) => value?.initializer?.tensor)
  try {
    return evaluateNode(node, inputs, { maxElements: limit })
  } catch (error) {
    // A node that contradicts its definition is the backend's to judge: some run what ONNX does not allow.
    if (isLowlatError(error, 'MODEL_INVALID')) return undefined
    throw error
  }
}

function isReadable(value: Value | undefined): boolean {
  const constant = value?.initializer
  return value === undefined || (constant !== undefined && isDType(constant.elementType) && !constant.isExternal)
}

/** Constants that nobody reads once the node is gone. */
function freedBytes(node: Node): number {
  const freed = node.inputs.filter((value) => value && soleReader(value) === node)
  return freed.reduce((sum, value) => sum + (value!.initializer?.byteLength ?? 0), 0)
}
