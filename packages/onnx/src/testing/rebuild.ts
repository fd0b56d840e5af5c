import type { GraphProto, ModelProto, ValueInfoProto } from '../codec/messages.ts'
import { messageFromAttribute } from '../graph/attribute.ts'
import type { Graph } from '../graph/graph.ts'
import { Initializer } from '../graph/initializer.ts'
import type { Value } from '../graph/value.ts'
import { infoFromType } from '../graph/value-type.ts'

/**
 * The same model made anew from what the graph's fields say, without the messages that it came from (but for functions
 * and types that are not tensors). A model that runs the same afterwards was understood, not only carried along.
 */
export function rebuild(graph: Graph): ModelProto {
  const { irVersion, opsetImports, functions } = graph.model
  return {
    irVersion: BigInt(irVersion),
    opsetImport: [...opsetImports].map(([domain, version]) => ({ domain, version: BigInt(version) })),
    functions,
    graph: rebuildGraph(graph),
  }
}

function rebuildGraph(graph: Graph): GraphProto {
  return {
    name: graph.name,
    input: graph.inputs.map(rebuildInfo),
    output: graph.outputs.map(rebuildInfo),
    initializer: graph.initializers.map(({ name, initializer }) => ({ ...rebuildConstant(initializer!), name })),
    sparseInitializer: [...graph.source.sparseInitializers.values()],
    node: graph.nodes.map((node) => ({
      opType: node.opType,
      domain: node.domain,
      name: node.name,
      input: node.inputs.map((value) => value?.name ?? ''),
      output: node.outputs.map((value) => value?.name ?? ''),
      attribute: [...node.attributes].map(([name, { source: _, ...attribute }]) =>
        attribute.type === 'tensor'
          ? { name, type: 4, t: rebuildConstant(attribute.value) }
          : messageFromAttribute(name, attribute, rebuildGraph),
      ),
    })),
  }
}

function rebuildInfo(value: Value): ValueInfoProto {
  return value.elementType ? infoFromType(value.name, value, undefined) : { ...value.info, name: value.name }
}

function rebuildConstant(constant: Initializer) {
  if (constant.elementType === 'string') return Initializer.fromStrings(constant.shape, constant.strings).message
  return Initializer.fromTensor(constant.tensor).message
}
