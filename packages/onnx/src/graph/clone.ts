import { InputError } from '@lowlat/core'
import { graphFromModel } from './from-onnx.ts'
import type { Graph } from './graph.ts'
import { modelFromGraph } from './to-onnx.ts'
import type { Value } from './value.ts'

/**
 * A graph of its own that computes the same: edits of one do not reach the other. Weights are shared, not copied; it
 * takes time in proportion to the number of nodes. @throws InputError INVALID_ARGUMENT for an inconsistent graph.
 */
export function cloneGraph(graph: Graph): Graph {
  return graphFromModel(modelFromGraph(graph))
}

/**
 * A clone that has these values as outputs too, behind its own ones, with the types that the graph knows. Names that
 * are outputs already change nothing.
 * @throws InputError OUTPUT_UNKNOWN for a name that no node of the graph computes; those in subgraphs cannot be had.
 */
export function exposeValues(graph: Graph, names: readonly string[]): Graph {
  const clone = cloneGraph(graph)
  const values = valuesByName(clone)
  for (const name of names) {
    const value = values.get(name)
    if (!value?.producer) throw unknownValue('OUTPUT_UNKNOWN', name, 'computed by a node of the graph')
    if (!clone.outputs.includes(value)) clone.addOutput(value)
  }
  return clone
}

export function valuesByName(graph: Graph): Map<string, Value> {
  return new Map([...graph.values()].map((value) => [value.name, value]))
}

export function unknownValue(code: 'INPUT_UNKNOWN' | 'OUTPUT_UNKNOWN', name: string, what: string): InputError {
  return new InputError(code, {
    message: `Expected the name of a value ${what}, got '${name}'.`,
    remedy: 'textFromGraph(graph) lists all values; those inside If, Loop and Scan cannot be reached from outside.',
    received: name,
  })
}
