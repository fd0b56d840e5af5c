import { checkArgument } from '@lowlat/core'
import { invalidModel, messageRule } from '../codec/errors.ts'
import type { GraphProto, ModelProto, NodeProto, SparseTensorProto, ValueInfoProto } from '../codec/messages.ts'
import { decodeModel } from '../codec/model.ts'
import { attributeFromMessage } from './attribute.ts'
import { fill, Graph } from './graph.ts'
import { Initializer } from './initializer.ts'
import { type ModelInfo, modelInfoFrom } from './model-info.ts'
import { Node } from './node.ts'
import { Value } from './value.ts'
import { typeFromInfo } from './value-type.ts'

/**
 * The graph of an ONNX model. Weights stay views on `bytes`, which must not change while the graph is in use. What
 * the graph has no fields for is kept and written back by `onnxFromGraph`.
 * @throws ModelError MODEL_INVALID for bytes that are not ONNX, and for graphs that contradict themselves: names that
 * are defined twice or not at all; InputError INVALID_ARGUMENT for what is no Uint8Array.
 */
export function graphFromOnnx(bytes: Uint8Array): Graph {
  return graphFromModel(decodeModel(bytes))
}

/** As {@link graphFromOnnx}, for a decoded model. */
export function graphFromModel(model: ModelProto): Graph {
  checkArgument('model', model, messageRule)
  return loadGraph(model.graph ?? {}, modelInfoFrom(model), new Set(), undefined)
}

/** Values by name: those of the graph itself, then those of the graphs around it. */
class Scope {
  readonly #own = new Map<string, Value>()
  readonly #outer: Scope | undefined
  readonly #names: Set<string>

  constructor(outer: Scope | undefined, names: Set<string>) {
    this.#outer = outer
    this.#names = names
  }

  define(value: Value): Value {
    if (this.#own.has(value.name)) throw invalidModel(`Expected one definition of the value '${value.name}', got two.`)
    this.#own.set(value.name, value)
    this.#names.add(value.name)
    return value
  }

  own(name: string): Value | undefined {
    return this.#own.get(name)
  }

  find(name: string): Value | undefined {
    return this.#own.get(name) ?? this.#outer?.find(name)
  }

  require(name: string, reader: string): Value {
    const value = this.find(name)
    if (value) return value
    throw invalidModel(`Expected a definition of the value '${name}' that ${reader} reads, but there is none.`)
  }
}

function loadGraph(message: GraphProto, model: ModelInfo, names: Set<string>, outer: Scope | undefined): Graph {
  const scope = new Scope(outer, names)
  const inputs = (message.input ?? []).map((info) => scope.define(valueFrom(required(info.name, 'an input'), info)))
  const initializers = (message.initializer ?? []).map((tensor) => {
    const initializer = Initializer.fromMessage(tensor)
    const name = required(tensor.name, 'an initializer')
    const input = scope.own(name)
    if (input?.initializer) throw invalidModel(`Expected one initializer named '${name}', got two.`)
    const value = input ?? scope.define(new Value(name, initializer))
    value.initializer = initializer
    return value
  })
  const sparseInitializers = new Map<Value, SparseTensorProto>()
  for (const sparse of message.sparseInitializer ?? []) {
    const name = required(sparse.values?.name, 'a sparse initializer')
    sparseInitializers.set(scope.own(name) ?? scope.define(new Value(name)), sparse)
  }
  const declared = new Map<string, ValueInfoProto>()
  for (const info of [...(message.valueInfo ?? []), ...(message.output ?? [])]) declared.set(info.name ?? '', info)
  // All outputs before any input: nodes need not be sorted, and subgraphs may read any value around them.
  const outputsOf = (message.node ?? []).map((node) =>
    (node.output ?? []).map((name) => (name === '' ? undefined : scope.define(valueFrom(name, declared.get(name))))),
  )
  const nodes = (message.node ?? []).map((node, index) => loadNode(node, outputsOf[index]!, scope, model, names))
  const outputs = (message.output ?? []).map((info) => ({
    value: scope.require(required(info.name, 'an output'), `the graph '${message.name ?? ''}' as its output`),
    info,
  }))
  const valueInfo = (message.valueInfo ?? []).map((info) => {
    names.add(info.name ?? '')
    return { info, value: scope.own(info.name ?? '') }
  })
  const graph = new Graph(message.name ?? '', model, names, { message, valueInfo, sparseInitializers })
  fill(graph, { inputs, initializers, nodes, outputs })
  return graph
}

function valueFrom(name: string, info: ValueInfoProto | undefined): Value {
  return new Value(name, info && typeFromInfo(info), info)
}

function required(name: string | undefined, what: string): string {
  if (name) return name
  throw invalidModel(`Expected a name for ${what}, but it has none.`)
}

function loadNode(
  message: NodeProto,
  outputs: readonly (Value | undefined)[],
  scope: Scope,
  model: ModelInfo,
  names: Set<string>,
): Node {
  const opType = required(message.opType, `the operator of the node '${message.name ?? ''}'`)
  const reader = `the ${opType} node '${message.name ?? ''}'`
  return new Node({
    opType,
    domain: message.domain ?? '',
    name: message.name ?? '',
    inputs: (message.input ?? []).map((name) => (name === '' ? undefined : scope.require(name, reader))),
    outputs,
    attributes: (message.attribute ?? []).map((attribute) => [
      required(attribute.name, `an attribute of ${reader}`),
      attributeFromMessage(attribute, (subgraph) => loadGraph(subgraph, model, names, scope)),
    ]),
    source: message,
  })
}
