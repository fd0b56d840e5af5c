import { dtypes, Tensor } from '@lowlat/core'
import { cloneGraph } from '../graph/clone.ts'
import type { Graph } from '../graph/graph.ts'
import { Initializer } from '../graph/initializer.ts'
import type { Node } from '../graph/node.ts'
import type { Value } from '../graph/value.ts'
import { inferTypes } from '../infer/infer-types.ts'
import { runPasses } from '../passes/run-passes.ts'
import { islandsOf } from './islands.ts'
import { isFloat32, type KeepOptions, Kept } from './keep-float32.ts'
import { staysFloat32 } from './operators.ts'
import { HalfConstants } from './precision.ts'

export interface Float16Options extends KeepOptions {
  /** Leave the types of the model's inputs and outputs as they are, with casts behind and before them. Default true. */
  readonly keepIo?: boolean
}

export interface KeptNode {
  readonly node: string
  readonly opType: string
  readonly reason: string
}

export interface Float16Report {
  /** Nodes that compute in float16. */
  readonly converted: number
  /** Nodes that have to do with floats and keep float32. */
  readonly kept: readonly KeptNode[]
}

export interface Float16Model {
  /** A new graph, cleaned up by the portable passes, with the types of all values. */
  readonly graph: Graph
  readonly report: Float16Report
}

/**
 * A model whose weights and activations are float16 where that is safe. Operators that may overflow stay in float32, as
 * do layers with constants that float16 cannot hold, arithmetic on sizes and positions, and whatever computes on
 * integers: a partly quantized model gets float16 in its float part, and its Q/DQ pairs with their scales stay. Casts
 * stand only where the types change, one per value; in float32 surroundings nothing is converted unless it holds a heavy
 * operator. Inside If, Loop and Scan the same holds; what goes in and out of them is float32.
 * @throws InputError INVALID_ARGUMENT for names in `keepFloat32` that the model does not have; ModelError MODEL_INVALID.
 */
export function float16FromGraph(source: Graph, options: Float16Options = {}): Float16Model {
  const { keepIo = true } = options
  const graph = cloneGraph(source)
  runPasses(graph)
  inferTypes(graph)
  const constants = new HalfConstants()
  const kept = new Kept(graph, constants, options)
  const ends = keepIo ? [] : [...graph.requiredInputs, ...graph.outputs].filter(isFloat32)
  for (const node of islandsOf(kept.convertible, new Set(ends))) kept.keep(node, 'only float32 lies around it')
  const converted = kept.convertible
  new Conversion(graph, constants, converted, keepIo).run()
  runPasses(graph)
  const reasons = [...kept.reasons].map(([{ name, opType }, reason]) => ({ node: name, opType, reason }))
  return { graph, report: { converted: converted.length, kept: reasons } }
}

class Conversion {
  readonly #graph: Graph
  readonly #constants: HalfConstants
  readonly #nodes: ReadonlySet<Node>
  readonly #keepIo: boolean
  readonly #graphs: readonly Graph[]
  readonly #owners = new Map<Value, Graph>()
  /** Float values that become float16. */
  readonly #halves = new Set<Value>()
  /** Values in the other type, by the graph that they were converted in. */
  readonly #casts = new Map<Graph, Map<Value, Value>>()

  constructor(graph: Graph, constants: HalfConstants, nodes: readonly Node[], keepIo: boolean) {
    this.#graph = graph
    this.#constants = constants
    this.#nodes = new Set(nodes)
    this.#keepIo = keepIo
    this.#graphs = [...graphsIn(graph)]
    for (const each of this.#graphs) for (const value of each.values()) this.#owners.set(value, each)
  }

  run(): void {
    for (const node of this.#nodes)
      for (const value of node.outputs) if (value && isFloat32(value)) this.#halves.add(value)
    if (!this.#keepIo) for (const value of this.#graph.requiredInputs) if (isFloat32(value)) this.#halves.add(value)
    for (const graph of this.#graphs) for (const node of [...graph.nodes]) this.#connect(node, graph)
    for (const node of this.#nodes) retype(node)
    for (const graph of this.#graphs) for (const index of graph.outputs.keys()) this.#connectOutput(graph, index)
    for (const value of this.#halves) value.elementType = 'float16'
  }

  #connect(node: Node, graph: Graph): void {
    const wantsHalf = this.#nodes.has(node)
    for (const [index, value] of node.inputs.entries()) {
      if (!value || !isFloat32(value) || (wantsHalf && staysFloat32(node, index))) continue
      const owner = this.#owners.get(value)!
      const isHalf = this.#halves.has(value)
      if (owner === graph) {
        if (isHalf !== wantsHalf) node.setInput(index, this.#inOtherType(value, graph))
      } else {
        // Half only where it is an input of the model: bodies take float32 from around them.
        const float = isHalf ? this.#inOtherType(value, owner) : value
        node.setInput(index, wantsHalf ? this.#inOtherType(float, graph) : float)
      }
    }
  }

  /** Outputs of the model are what the options ask for; those of subgraphs are float32. */
  #connectOutput(graph: Graph, index: number): void {
    const value = graph.outputs[index]!
    if (!isFloat32(value)) return
    const wantsHalf = graph === this.#graph && !this.#keepIo
    if (this.#halves.has(value) === wantsHalf) return
    const cast = this.#inOtherType(value, this.#owners.get(value)!)
    if (graph !== this.#graph) {
      graph.setOutput(index, cast)
      return
    }
    // The cast takes over the output's name, which only replaceUses can do; those who read the value go on doing so.
    const readers = value.uses.filter((use) => use.kind === 'node')
    graph.replaceUses(value, cast, cast.producer)
    for (const use of readers) use.node.setInput(use.index, value)
  }

  #inOtherType(value: Value, graph: Graph): Value {
    const casts = this.#casts.get(graph) ?? new Map<Value, Value>()
    this.#casts.set(graph, casts)
    const known = casts.get(value)
    if (known) return known
    const to = this.#halves.has(value) ? 'float32' : 'float16'
    const name = graph.uniqueName(`${value.name}.${to}`)
    const other = value.initializer
      ? graph.addInitializer(name, this.#constants.tensorOf(value))
      : addCast(graph, value, name, to)
    casts.set(value, other)
    return other
  }
}

function* graphsIn(graph: Graph): Generator<Graph> {
  yield graph
  for (const node of graph.nodes) for (const inner of node.subgraphs) yield* graphsIn(inner)
}

function addCast(graph: Graph, value: Value, name: string, to: 'float16' | 'float32'): Value {
  const producer = value.producer && graph.nodes.includes(value.producer) ? value.producer : undefined
  const spec = { opType: 'Cast', inputs: [value], outputs: [name], attributes: { to: dtypes[to].onnxCode } }
  const [first] = graph.nodes
  const place = producer ? { after: producer } : first ? { before: first } : {}
  const cast = graph.addNode(spec, place).outputs[0]!
  cast.elementType = to
  cast.shape = value.shape
  return cast
}

/** Attributes that say the type of a result. */
function retype(node: Node): void {
  const { opType } = node
  if (opType === 'Cast' && node.int('to') === dtypes.float32.onnxCode) {
    node.setAttribute('to', { type: 'int', value: BigInt(dtypes.float16.onnxCode) })
  }
  if (opType === 'ConstantOfShape') {
    const value = node.attributes.has('value') ? node.tensor('value').tensor.toFloat32() : new Float32Array(1)
    node.setAttribute('value', { type: 'tensor', value: Initializer.fromTensor(Tensor.float16([1], value)) })
  }
}
