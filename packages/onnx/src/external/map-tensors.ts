import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  SparseTensorProto,
  TensorProto,
} from '../codec/messages.ts'

interface TensorMaps {
  /** Weights of the graph and of its subgraphs. */
  readonly initializer: (tensor: TensorProto) => TensorProto
  /** Tensors of attributes, and the parts of sparse tensors. Default: they stay. */
  readonly other?: (tensor: TensorProto) => TensorProto
}

/** The model with other tensors, in the order in which it holds them; the rest is shared with the given one. */
export function mapTensors(model: ModelProto, { initializer, other = (tensor) => tensor }: TensorMaps): ModelProto {
  const mapSparse = (sparse: SparseTensorProto): SparseTensorProto => ({
    ...sparse,
    ...(sparse.values && { values: other(sparse.values) }),
    ...(sparse.indices && { indices: other(sparse.indices) }),
  })
  const mapAttribute = (attribute: AttributeProto): AttributeProto => ({
    ...attribute,
    ...(attribute.t && { t: other(attribute.t) }),
    ...(attribute.tensors && { tensors: attribute.tensors.map(other) }),
    ...(attribute.g && { g: mapGraph(attribute.g) }),
    ...(attribute.graphs && { graphs: attribute.graphs.map(mapGraph) }),
    ...(attribute.sparseTensor && { sparseTensor: mapSparse(attribute.sparseTensor) }),
    ...(attribute.sparseTensors && { sparseTensors: attribute.sparseTensors.map(mapSparse) }),
  })
  const mapNode = (node: NodeProto): NodeProto =>
    node.attribute ? { ...node, attribute: node.attribute.map(mapAttribute) } : node
  const mapGraph = (graph: GraphProto): GraphProto => ({
    ...graph,
    ...(graph.initializer && { initializer: graph.initializer.map(initializer) }),
    ...(graph.sparseInitializer && { sparseInitializer: graph.sparseInitializer.map(mapSparse) }),
    ...(graph.node && { node: graph.node.map(mapNode) }),
  })
  return {
    ...model,
    ...(model.graph && { graph: mapGraph(model.graph) }),
    ...(model.functions && {
      functions: model.functions.map((each) => ({ ...each, ...(each.node && { node: each.node.map(mapNode) }) })),
    }),
  }
}
