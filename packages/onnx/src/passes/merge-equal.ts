import type { Attribute } from '../graph/attribute.ts'
import type { Graph } from '../graph/graph.ts'
import type { Node } from '../graph/node.ts'
import { topologicalOrder } from '../graph/order.ts'
import type { Value } from '../graph/value.ts'
import { contentKey } from './equal-constants.ts'
import { type Pass, walkGraphs } from './pass.ts'
import { canReplace, replaceValue, standardOpset } from './rewire.ts'

/** Common subexpressions: equal weights, then nodes that compute the same from the same values, become one. */
export const mergeEqual: Pass = {
  name: 'merge-equal',
  run(graph) {
    let changes = 0
    const numberOf = valueNumbers()
    for (const each of [...walkGraphs(graph)]) {
      changes += mergeWeights(each)
      changes += mergeNodes(each, (node) => nodeKey(node, each, numberOf))
    }
    return changes
  },
}

function mergeWeights(graph: Graph): number {
  let changes = 0
  const inputs = new Set(graph.inputs)
  // Types and shapes first: most weights are alone with theirs and need no hash.
  for (const group of groupBy(graph.initializers, typeKey)) {
    if (group.length === 1) continue
    for (const [first, ...others] of groupBy(group, ({ initializer }) => contentKey(initializer!))) {
      for (const value of others) {
        if (inputs.has(value) || !replaceValue(graph, value, first!)) continue
        graph.removeValue(value)
        changes++
      }
    }
  }
  return changes
}

const typeKey = ({ initializer }: Value) => `${initializer!.elementType}[${initializer!.shape.join()}]`

function groupBy(values: readonly Value[], keyOf: (value: Value) => string | undefined): Value[][] {
  const groups = new Map<string, Value[]>()
  for (const value of values) {
    const key = keyOf(value)
    if (key === undefined) continue
    const group = groups.get(key)
    if (group) group.push(value)
    else groups.set(key, [value])
  }
  return [...groups.values()]
}

/**
 * Nodes of equal keys become the first of them, where outputs of the graph allow that.
 * @param keyOf gives undefined for a node that must stay.
 */
export function mergeNodes(graph: Graph, keyOf: (node: Node) => string | undefined): number {
  let changes = 0
  const firsts = new Map<string, Node>()
  for (const node of topologicalOrder(graph)) {
    const key = keyOf(node)
    if (key === undefined) continue
    const first = firsts.get(key)
    if (!first) firsts.set(key, node)
    else if (mergeInto(graph, first, node)) changes++
  }
  return changes
}

function mergeInto(graph: Graph, first: Node, node: Node): boolean {
  const pairs = node.outputs.flatMap((value, index) => (value ? [{ value, replacement: first.outputs[index]! }] : []))
  if (!pairs.every(({ value, replacement }) => canReplace(graph, value, replacement))) return false
  for (const { value, replacement } of pairs) replaceValue(graph, value, replacement)
  graph.removeNode(node)
  return true
}

/** Numbers values, so that keys can tell apart those that share a name in different subgraphs. */
export function valueNumbers(): (value: Value) => string {
  const numbers = new Map<Value, string>()
  return (value) => {
    const number = numbers.get(value) ?? String(numbers.size)
    numbers.set(value, number)
    return number
  }
}

/** Operators whose outputs differ from node to node. */
const random = /^(Random\w+|Multinomial|Bernoulli|Dropout)$/

/**
 * Equal for nodes that compute the same. Undefined for those that are not compared: of other domains, with subgraphs,
 * and random ones.
 * @param keyOfInput equal for equal values.
 */
export function nodeKey(node: Node, graph: Graph, keyOfInput: (value: Value) => string): string | undefined {
  if (standardOpset(node, graph) === undefined || random.test(node.opType)) return undefined
  const attributes: string[] = []
  for (const [name, attribute] of node.attributes) {
    const text = attributeKey(attribute)
    if (text === undefined) return undefined
    attributes.push(`${name}=${attribute.type}:${text}`)
  }
  const inputs = node.inputs.map((value) => value && keyOfInput(value))
  const outputs = node.outputs.map((value) => value !== undefined)
  return JSON.stringify([node.opType, inputs, outputs, attributes.sort()])
}

/** Undefined for what is not compared: subgraphs, and what the graph has no form for. */
function attributeKey(attribute: Attribute): string | undefined {
  switch (attribute.type) {
    case 'tensor':
      return contentKey(attribute.value)
    case 'float':
      return floatKey(attribute.value)
    case 'floats':
      return attribute.value.map(floatKey).join()
    case 'ints':
      return attribute.value.join()
    case 'string':
    case 'strings':
      return JSON.stringify(attribute.value)
    case 'int':
      return String(attribute.value)
    default:
      return undefined
  }
}

const floatKey = (value: number) => (Object.is(value, -0) ? '-0' : String(value))
