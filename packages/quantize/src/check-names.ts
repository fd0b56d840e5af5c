import { InputError } from '@lowlat/core'
import type { Graph } from '@lowlat/onnx'
import type { FloatParts } from './targets/recipe.ts'

/** @throws InputError INVALID_ARGUMENT for names of parts that the graph does not have. */
export function checkNames(graph: Graph, { nodes = new Set(), values = new Set() }: FloatParts): void {
  const unknown = [
    ...missingOf(
      nodes,
      graph.nodes.map((node) => node.name),
    ),
    ...missingOf(
      values,
      [...graph.values()].map((value) => value.name),
    ),
  ]
  if (unknown.length === 0) return
  throw new InputError('INVALID_ARGUMENT', {
    message: `Expected names of nodes and values in keepFloat, but the model has no ${unknown.map((name) => `'${name}'`).join(', ')}.`,
    remedy: 'Look the names up with textFromGraph(graph); nodes without a name get one from their operator.',
    received: unknown,
  })
}

function missingOf(names: ReadonlySet<string>, known: readonly string[]): string[] {
  const there = new Set(known)
  return [...names].filter((name) => !there.has(name))
}
