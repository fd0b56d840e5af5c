import { InputError } from '@lowlat/core'
import { unknownValue, valuesByName } from './clone.ts'
import { graphFromModel } from './from-onnx.ts'
import type { Graph } from './graph.ts'
import type { Node } from './node.ts'
import { walkNodes } from './order.ts'
import { modelFromGraph } from './to-onnx.ts'
import type { Value } from './value.ts'
import { infoFromType } from './value-type.ts'

export interface Cut {
  /** Values that a run of the new graph is fed with: any of the graph, also weights. */
  readonly inputs: readonly string[]
  /** Values that it gives, in this order. */
  readonly outputs: readonly string[]
}

/**
 * The part of a graph between values, as a graph of its own with these inputs and outputs; weights are shared. Names,
 * types and everything about the model stay.
 * @throws InputError INPUT_UNKNOWN or OUTPUT_UNKNOWN for a name that the graph does not have; INPUT_MISSING naming an
 * input of the graph that an output needs and no value of `inputs` replaces; INVALID_ARGUMENT for a value without a type.
 */
export function extractGraph(graph: Graph, { inputs, outputs }: Cut): Graph {
  const values = valuesByName(graph)
  const resolve = (code: 'INPUT_UNKNOWN' | 'OUTPUT_UNKNOWN') => (name: string) => {
    const value = values.get(name)
    if (value) return value
    throw unknownValue(code, name, 'of the graph')
  }
  const from = new Set(inputs.map(resolve('INPUT_UNKNOWN')))
  const to = [...new Set(outputs.map(resolve('OUTPUT_UNKNOWN')))]
  const part = partBetween(graph, from, to)
  const model = modelFromGraph(graph)
  const kept = (name: string | undefined) => part.constants.has(name ?? '')
  return graphFromModel({
    ...model,
    // Before version 4 all weights had to be inputs.
    irVersion: BigInt(Math.max(graph.model.irVersion, 4)),
    graph: {
      ...model.graph,
      node: model.graph?.node?.filter((_, index) => part.nodes.has(graph.nodes[index]!)) ?? [],
      initializer: model.graph?.initializer?.filter(({ name }) => kept(name)) ?? [],
      sparseInitializer: model.graph?.sparseInitializer?.filter(({ values: tensor }) => kept(tensor?.name)) ?? [],
      input: [...from].map(declare),
      output: to.map(declare),
      valueInfo: model.graph?.valueInfo?.filter(({ name }) => part.names.has(name ?? '')) ?? [],
    },
  })
}

function declare(value: Value) {
  const info = infoFromType(value.name, value, value.info)
  if (info.type) return info
  throw new InputError('INVALID_ARGUMENT', {
    message: `Expected a value with a known type as input or output, got '${value.name}'.`,
    remedy: 'inferTypes(graph) finds the types of most values.',
    received: value.name,
  })
}

interface Part {
  readonly nodes: ReadonlySet<Node>
  /** Names of the weights that the nodes read. */
  readonly constants: ReadonlySet<string>
  /** Names of what the nodes compute. */
  readonly names: ReadonlySet<string>
}

function partBetween(graph: Graph, from: ReadonlySet<Value>, to: readonly Value[]): Part {
  const own = new Set(graph.values())
  const required = new Set(graph.requiredInputs)
  const nodes = new Set<Node>()
  const constants = new Set<string>()
  const seen = new Set<Value>(from)
  const queue = [...to]
  for (let value = queue.pop(); value; value = queue.pop()) {
    if (seen.has(value) || !own.has(value)) continue
    seen.add(value)
    if (required.has(value)) throw missing(value, from)
    const { producer } = value
    if (!producer) constants.add(value.name)
    else if (!nodes.has(producer)) {
      nodes.add(producer)
      queue.push(...readBy(producer))
    }
  }
  const computed = [...nodes].flatMap((node) => node.outputs.flatMap((value) => value?.name ?? []))
  return { nodes, constants, names: new Set(computed) }
}

/** Subgraphs read values of the graph around them. */
function* readBy(node: Node): Generator<Value> {
  for (const input of node.inputs) if (input) yield input
  for (const subgraph of node.subgraphs) {
    for (const output of subgraph.outputs) yield output
    for (const inner of walkNodes(subgraph)) {
      for (const input of inner.inputs) if (input) yield input
    }
  }
}

function missing(value: Value, from: ReadonlySet<Value>): InputError {
  const names = [...from].map(({ name }) => `'${name}'`).join(', ') || 'none'
  return new InputError('INPUT_MISSING', {
    message: `Expected inputs that cut the graph before its outputs, got ${names}: the graph's input '${value.name}' is still needed.`,
    remedy: `Add '${value.name}', or the values that lie between it and the outputs.`,
    expected: value.name,
    received: [...from].map(({ name }) => name),
  })
}
