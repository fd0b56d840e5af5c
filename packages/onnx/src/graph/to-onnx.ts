import type { GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto } from '../codec/messages.ts'
import { encodeModel } from '../codec/model.ts'
import { messageFromAttribute } from './attribute.ts'
import { checkGraph } from './check.ts'
import type { Graph } from './graph.ts'
import { messageFromInfo } from './model-info.ts'
import type { Node } from './node.ts'
import type { Value } from './value.ts'
import { infoFromType, typeFromInfo } from './value-type.ts'

/**
 * The graph as an ONNX file. What was not edited is written as it stood in the file that the graph came from; weights
 * are copied once, into the result.
 * @throws InputError INVALID_ARGUMENT for a graph that edits left inconsistent (see {@link checkGraph}).
 */
export function onnxFromGraph(graph: Graph): Uint8Array<ArrayBuffer> {
  return encodeModel(modelFromGraph(graph))
}

/** As {@link onnxFromGraph}, before encoding. */
export function modelFromGraph(graph: Graph): ModelProto {
  checkGraph(graph)
  return { ...messageFromInfo(graph.model), graph: messageFromGraph(graph) }
}

function messageFromGraph(graph: Graph): GraphProto {
  const { message, sparseInitializers } = graph.source
  return {
    ...message,
    ...text('name', graph.name, message.name),
    node: graph.nodes.map(messageFromNode),
    initializer: graph.initializers.map(messageFromInitializer),
    sparseInitializer: [...sparseInitializers].map(([value, sparse]) =>
      sparse.values?.name === value.name ? sparse : { ...sparse, values: { ...sparse.values, name: value.name } },
    ),
    input: graph.inputs.map((value) => infoFromType(value.name, value, value.info)),
    output: graph.outputs.map((value, index) => infoFromType(value.name, value, graph.outputInfo(index) ?? value.info)),
    valueInfo: valueInfosOf(graph),
  }
}

function messageFromNode(node: Node): NodeProto {
  const { source } = node
  return {
    ...source,
    ...text('name', node.name, source.name),
    ...text('domain', node.domain, source.domain),
    opType: node.opType,
    input: node.inputs.map((value) => value?.name ?? ''),
    output: node.outputs.map((value) => value?.name ?? ''),
    attribute: [...node.attributes].map(([name, attribute]) => messageFromAttribute(name, attribute, messageFromGraph)),
  }
}

function messageFromInitializer(value: Value): TensorProto {
  const { message } = value.initializer!
  return message.name === value.name ? message : { ...message, name: value.name }
}

/** Declarations in the order of the file, then those of values that have become known since. */
function valueInfosOf(graph: Graph): ValueInfoProto[] {
  const values = new Set(graph.values())
  const declared = new Set<Value>([...graph.inputs, ...graph.outputs, ...graph.initializers])
  const infos: ValueInfoProto[] = []
  for (const { info, value } of graph.source.valueInfo) {
    if (!value) infos.push(info)
    else if (values.has(value) && value.info === info) infos.push(infoFromType(value.name, value, info))
    // A second declaration, of an output or an initializer, is kept while it does not contradict the first one.
    else if (values.has(value) && typeFromInfo(info).elementType === value.elementType) {
      infos.push(info.name === value.name ? info : { ...info, name: value.name })
    }
    if (value) declared.add(value)
  }
  for (const value of values) {
    if (!declared.has(value) && value.elementType) infos.push(infoFromType(value.name, value, value.info))
  }
  return infos
}

/** A text field that stays absent where it is empty and was absent in the file. */
function text<K extends string>(key: K, value: string, source: string | undefined): Partial<Record<K, string>> {
  if (value === '' && source === undefined) return {}
  const field: Partial<Record<K, string>> = {}
  field[key] = value
  return field
}
