import { InputError, type Tensor } from '@lowlat/core'
import type { GraphProto, SparseTensorProto, ValueInfoProto } from '../codec/messages.ts'
import { type AttributeInput, attributeFromInput } from './attribute-input.ts'
import { Initializer } from './initializer.ts'
import { type ModelInfo, opsetOf } from './model-info.ts'
import { disconnect, Node } from './node.ts'
import { addUse, removeUse, setName, Value } from './value.ts'
import type { ElementType, PartialShape, ValueType } from './value-type.ts'

const READ = 'Rewire its readers first, for example with replaceUses; `value.uses` lists them.'

/** What a graph keeps of its file beyond its own fields. */
interface GraphSource {
  readonly message: GraphProto
  /** value_info in the order of the file, with the value of this graph that it is about, if any. */
  readonly valueInfo: readonly { readonly info: ValueInfoProto; readonly value: Value | undefined }[]
  readonly sparseInitializers: ReadonlyMap<Value, SparseTensorProto>
}

export interface NodeSpec {
  readonly opType: string
  readonly domain?: string
  readonly name?: string
  readonly inputs: readonly (Value | undefined)[]
  /** Names of the outputs, made unique where taken, or their number; default 1. */
  readonly outputs?: readonly string[] | number
  readonly attributes?: Readonly<Record<string, AttributeInput>>
}

interface GraphParts {
  readonly inputs: readonly Value[]
  readonly initializers: readonly Value[]
  readonly nodes: readonly Node[]
  readonly outputs: readonly { value: Value; info: ValueInfoProto | undefined }[]
}

/** For the loader, which has made the values already and checks names by itself. */
let fill: (graph: Graph, parts: GraphParts) => void

export { fill }

/**
 * An editable graph with ONNX's meanings. Nodes read and produce {@link Value} objects; all edits go through methods,
 * so that `value.uses` and `value.producer` are right at any time, also across subgraphs.
 */
export class Graph {
  name: string
  readonly model: ModelInfo
  readonly source: GraphSource
  /** Every name that is or was in use in the model, its subgraphs included. */
  readonly #names: Set<string>
  readonly #inputs: Value[] = []
  readonly #outputs: { value: Value; info: ValueInfoProto | undefined }[] = []
  readonly #nodes: Node[] = []
  readonly #initializers: Value[] = []

  /** @param names shared by all graphs of a model; a new set for a new model. */
  constructor(name: string, model: ModelInfo, names: Set<string> = new Set(), source?: GraphSource) {
    this.name = name
    this.model = model
    this.#names = names
    this.source = source ?? { message: {}, valueInfo: [], sparseInitializers: new Map() }
  }

  /** Declared inputs; before IR version 4 initializers are among them. */
  get inputs(): readonly Value[] {
    return this.#inputs
  }

  /** The inputs that a run must be fed: those without an initializer. */
  get requiredInputs(): readonly Value[] {
    return this.#inputs.filter((value) => !value.initializer)
  }

  get outputs(): readonly Value[] {
    return this.#outputs.map(({ value }) => value)
  }

  /** The declaration of an output in the file. */
  outputInfo(index: number): ValueInfoProto | undefined {
    return this.#outputs[index]?.info
  }

  get nodes(): readonly Node[] {
    return this.#nodes
  }

  get initializers(): readonly Value[] {
    return this.#initializers
  }

  /** Version of ONNX's own operator set. @throws ModelError MODEL_INVALID when the model imports none. */
  get opset(): number {
    return opsetOf(this.model)
  }

  /** Every value that this graph itself defines: inputs, initializers, outputs of nodes. */
  *values(): Generator<Value> {
    yield* new Set([...this.#inputs, ...this.#initializers])
    yield* this.source.sparseInitializers.keys()
    for (const node of this.#nodes) for (const output of node.outputs) if (output) yield output
  }

  /** A name that no value of the model has or had: `base`, or `base` with a number. */
  uniqueName(base: string): string {
    let name = base
    for (let count = 1; this.#names.has(name) || name === ''; count++) name = `${base}_${count}`
    return name
  }

  /** @throws InputError INVALID_ARGUMENT when the name is taken, as for every method that is given a name. */
  addInput(name: string, elementType?: ElementType, shape?: PartialShape): Value {
    const value = new Value(this.#take(name), { elementType, shape })
    this.#inputs.push(value)
    return value
  }

  /** Keeps the tensor's memory: it must not change afterwards. */
  addInitializer(name: string, constant: Tensor | Initializer): Value {
    const initializer = constant instanceof Initializer ? constant : Initializer.fromTensor(constant)
    const value = new Value(this.#take(name), initializer)
    value.initializer = initializer
    this.#initializers.push(value)
    return value
  }

  /** Adds a node at the end, or next to another one of this graph. */
  addNode(spec: NodeSpec, place: { before?: Node; after?: Node } = {}): Node {
    const { opType, domain = '', name = '', inputs, outputs = 1, attributes = {} } = spec
    const outputNames =
      typeof outputs === 'number' ? new Array<string>(outputs).fill(`${name || opType}_output`) : outputs
    const neighbour = place.before ?? place.after
    const at = neighbour ? this.#indexOf(neighbour) + (place.before ? 0 : 1) : this.#nodes.length
    const node = new Node({
      opType,
      domain,
      name,
      inputs,
      outputs: outputNames.map((output) => new Value(this.#take(this.uniqueName(output)))),
      attributes: Object.entries(attributes).map(([key, input]) => [key, attributeFromInput(key, input)]),
    })
    this.#nodes.splice(at, 0, node)
    return node
  }

  addOutput(value: Value, type?: ValueType): void {
    if (type) Object.assign(value, type)
    addUse(value, { kind: 'output', graph: this, index: this.#outputs.length })
    this.#outputs.push({ value, info: undefined })
  }

  /** The output keeps its declaration, and gets the value's name. */
  setOutput(index: number, value: Value): void {
    const output = this.#outputs[index]
    if (!output) throw misuse(`Expected an output below ${this.#outputs.length}, got ${index}.`, 'Use addOutput first.')
    removeUse(output.value, { kind: 'output', graph: this, index })
    output.value = value
    addUse(value, { kind: 'output', graph: this, index })
  }

  /** @throws InputError INVALID_ARGUMENT while anything reads one of its outputs. */
  removeNode(node: Node): void {
    const at = this.#indexOf(node)
    const used = node.outputs.find((output) => output && output.uses.length > 0)
    if (used) {
      throw misuse(`Cannot remove the ${node.opType} node '${node.name}': '${used.name}' is still read.`, READ)
    }
    disconnect(node)
    this.#nodes.splice(at, 1)
  }

  /** Removes an input or an initializer. @throws InputError INVALID_ARGUMENT while anything reads it. */
  removeValue(value: Value): void {
    if (value.uses.length > 0) throw misuse(`Cannot remove the value '${value.name}': it is still read.`, READ)
    for (const list of [this.#inputs, this.#initializers]) {
      const at = list.indexOf(value)
      if (at >= 0) list.splice(at, 1)
    }
  }

  /** Makes an input that has an initializer a mere constant, which a run cannot replace. */
  fixInput(value: Value): void {
    const at = this.#inputs.indexOf(value)
    if (at < 0 || !value.initializer) {
      throw misuse(`Expected an input with an initializer, got '${value.name}'.`, 'Only such an input has a value.')
    }
    this.#inputs.splice(at, 1)
  }

  rename(value: Value, name: string): void {
    if (name !== value.name) setName(value, this.#take(name))
  }

  /**
   * Makes everything that reads `value` read `replacement`, but for the node `except`: to put a node behind a value, add
   * it as a reader, then replace the value by the node's output except in that node. A graph output keeps its name:
   * `replacement` takes it over, and `value` gets a new one.
   * @throws InputError INVALID_ARGUMENT where the output's name cannot be taken over: one of both is a graph input, or
   * `replacement` is an output already. Put an Identity node in between then.
   */
  replaceUses(value: Value, replacement: Value, except?: Node): void {
    const outputs = value.uses.filter((use) => use.kind === 'output')
    if (outputs.length > 0) {
      const bound = (one: Value) => this.#inputs.includes(one)
      if (bound(value) || bound(replacement) || replacement.uses.some((use) => use.kind === 'output')) {
        throw misuse(
          `Cannot let '${replacement.name}' take over the name of the output '${value.name}'.`,
          'Put an Identity node between them.',
        )
      }
      const { name } = value
      setName(value, this.#take(this.uniqueName(name)))
      setName(replacement, name)
      replacement.elementType ??= value.elementType
      replacement.shape ??= value.shape
    }
    for (const use of [...value.uses]) {
      if (use.kind === 'output') use.graph.setOutput(use.index, replacement)
      else if (use.node !== except) use.node.setInput(use.index, replacement)
    }
  }

  #take(name: string): string {
    if (name === '' || this.#names.has(name)) {
      throw misuse(`Expected a name that is not in use yet, got '${name}'.`, 'graph.uniqueName(base) gives a free one.')
    }
    this.#names.add(name)
    return name
  }

  #indexOf(node: Node): number {
    const at = this.#nodes.indexOf(node)
    if (at < 0) {
      throw misuse(
        `Expected a node of the graph '${this.name}', got the ${node.opType} node '${node.name}'.`,
        'Edit a node through the graph that holds it.',
      )
    }
    return at
  }

  static {
    fill = (graph, parts) => {
      graph.#inputs.push(...parts.inputs)
      graph.#initializers.push(...parts.initializers)
      graph.#nodes.push(...parts.nodes)
      for (const [index, output] of parts.outputs.entries()) {
        graph.#outputs.push(output)
        addUse(output.value, { kind: 'output', graph, index })
      }
    }
  }
}

function misuse(message: string, remedy: string): InputError {
  return new InputError('INVALID_ARGUMENT', { message, remedy })
}
