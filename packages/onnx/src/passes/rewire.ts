import type { Tensor } from '@lowlat/core'
import type { Graph } from '../graph/graph.ts'
import type { Initializer } from '../graph/initializer.ts'
import type { Node } from '../graph/node.ts'
import type { Value } from '../graph/value.ts'

/** The first version with today's broadcasting, and without attributes that tell training from inference. */
const OLDEST_OPSET = 7

/** The version of ONNX's own operators where `node` is one, in a form that passes know; undefined for all others. */
export function standardOpset(node: Node, graph: Graph): number | undefined {
  const opset = graph.model.opsetImports.get('')
  const isStandard = node.domain === '' || node.domain === 'ai.onnx'
  return isStandard && opset !== undefined && opset >= OLDEST_OPSET ? opset : undefined
}

export function isOperator(node: Node | undefined, graph: Graph, ...opTypes: readonly string[]): node is Node {
  return node !== undefined && opTypes.includes(node.opType) && standardOpset(node, graph) !== undefined
}

/** The node that alone reads the value; undefined for a graph output. */
export function soleReader(value: Value): Node | undefined {
  const [use, second] = value.uses
  return use?.kind === 'node' && !second ? use.node : undefined
}

/** The elements of a constant list of integers; undefined for anything else. */
export function constantInts(value: Value | undefined): readonly number[] | undefined {
  const constant = value?.initializer
  if (constant?.elementType !== 'int64' && constant?.elementType !== 'int32') return undefined
  return Array.from(constant.tensor.data as ArrayLike<bigint | number>, Number)
}

/** What became an input of the operator in some version: the attribute where there is one, else the constant input. */
export function intsArgument(node: Node, name: string, input: number): readonly number[] | undefined {
  return node.attributes.has(name) ? node.ints(name) : constantInts(node.inputs[input])
}

/** A new constant, named after what it replaces. Before IR version 4 weights had to be inputs, which this one is not. */
export function addConstant(graph: Graph, name: string, constant: Tensor | Initializer): Value {
  graph.model.irVersion = Math.max(graph.model.irVersion, 4)
  return graph.addInitializer(graph.uniqueName(name), constant)
}

/**
 * Makes every reader of `value`, which a node of `graph` computes, read the equal value `replacement`. Outputs of the
 * graph keep names and declared types. Returns false, and changes nothing, where an output cannot be replaced: graph
 * inputs, values of an outer graph and values that are outputs already cannot take its name.
 */
export function replaceValue(graph: Graph, value: Value, replacement: Value): boolean {
  if (!canReplace(graph, value, replacement)) return false
  if (isOutput(value)) {
    replacement.elementType = value.elementType ?? replacement.elementType
    replacement.shape = value.shape ?? replacement.shape
  }
  replacement.elementType ??= value.elementType
  replacement.shape ??= value.shape
  graph.replaceUses(value, replacement)
  return true
}

export function canReplace(graph: Graph, value: Value, replacement: Value): boolean {
  if (!isOutput(value)) return true
  if (isOutput(replacement) || graph.inputs.includes(replacement)) return false
  const { producer } = replacement
  return producer ? graph.nodes.includes(producer) : graph.initializers.includes(replacement)
}

function isOutput(value: Value): boolean {
  return value.uses.some((use) => use.kind === 'output')
}
