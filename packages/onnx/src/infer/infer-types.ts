import type { ModelError, Shape, Tensor } from '@lowlat/core'
import type { Graph } from '../graph/graph.ts'
import type { Node } from '../graph/node.ts'
import type { Value } from '../graph/value.ts'
import type { ValueType } from '../graph/value-type.ts'
import { bindShapes } from './bind-shapes.ts'
import { Walk } from './walk.ts'

export interface InferOptions {
  /** Shapes of inputs by name; inputs that are left out keep their open axes. */
  readonly inputShapes?: Readonly<Record<string, Shape>>
  /** Whether `elementType` and `shape` of the graph's values are set to what was found. Default true. */
  readonly update?: boolean
}

export interface InferenceReport {
  /** Every value of the graph and of its subgraphs, but for branches that a constant condition never takes. */
  readonly types: ReadonlyMap<Value, ValueType>
  /** Outputs of nodes that do not depend on the inputs, of at most 4096 elements. */
  readonly constants: ReadonlyMap<Value, Tensor>
  /** Nodes whose operator has no rule: their outputs keep their declarations. */
  readonly unclaimed: readonly Node[]
  /** Nodes with a rule and an output whose element type, rank or some size could not be told. */
  readonly unknown: readonly Node[]
  /** Nodes that cannot work, and declarations that inference contradicts, as MODEL_INVALID. What is inferred wins. */
  readonly contradictions: readonly ModelError[]
}

/**
 * The element type and shape of every value, in one walk over the graph, after ONNX's operator definitions. Axes keep
 * their names ('batch') where nothing but their size passes through; arithmetic on a name gives an unknown size.
 * Sizes that pass through small integer tensors (Shape, Gather, Concat, Reshape) are followed element by element.
 *
 * With `inputShapes` names become sizes. To infer for several shapes, pass `update: false`: sizes that were set are
 * declarations to the next call.
 * @throws InputError INPUT_UNKNOWN or INPUT_SHAPE for shapes that contradict the declared inputs.
 * @throws ModelError MODEL_INVALID for a cyclic graph or unreadable constants, MODEL_UNSUPPORTED for loops nested deep.
 */
export function inferTypes(graph: Graph, options: InferOptions = {}): InferenceReport {
  const { inputShapes = {}, update = true } = options
  const bound = bindShapes(graph, inputShapes)
  const inputs = graph.inputs.map(({ name, elementType }) => {
    const shape = Object.hasOwn(inputShapes, name) ? inputShapes[name] : undefined
    return shape && { elementType, shape }
  })
  const walks = [...new Walk(graph, { opset: graph.opset, bound, subgraphs: 0 }, inputs).all()]
  const types = new Map<Value, ValueType>()
  const constants = new Map<Value, Tensor>()
  for (const { facts } of walks) {
    for (const [value, { elementType, shape, constant }] of facts) {
      types.set(value, { elementType, shape })
      if (constant && value.producer) constants.set(value, constant)
      if (update) Object.assign(value, { elementType, shape })
    }
  }
  return {
    types,
    constants,
    unclaimed: walks.flatMap((walk) => walk.unclaimed),
    unknown: walks.flatMap((walk) => walk.unknown),
    contradictions: walks.flatMap((walk) => walk.contradictions),
  }
}
