import { dtypeFromOnnx, isDType, ModelError, sizeOf } from '@lowlat/core'
import { numbersOf } from '../codec/packed-list.ts'
import { invalidNode, shapeText } from '../evaluate/invalid-node.ts'
import type { Graph } from '../graph/graph.ts'
import type { Node } from '../graph/node.ts'
import { topologicalOrder } from '../graph/order.ts'
import type { Value } from '../graph/value.ts'
import type { PartialShape, ValueType } from '../graph/value-type.ts'
import { maxRank } from './dims.ts'
import { constantFact, type Fact, isKnown, maxConstantElements, refine, unknownFact } from './fact.ts'
import { ruleFor } from './rules.ts'
import { Site } from './site.ts'
import { withValues } from './values.ts'

/** Subgraphs inferred in one walk, over all turns of all loops around them. */
const maxSubgraphs = 10_000

/** What all graphs of a model share in one inference. */
interface Surroundings {
  readonly opset: number
  /** Sizes of named axes. */
  readonly bound: ReadonlyMap<string, number>
  subgraphs: number
}

/** One walk over the nodes of a graph, each after those that it reads from. */
export class Walk {
  readonly facts = new Map<Value, Fact>()
  readonly unclaimed: Node[] = []
  readonly unknown: Node[] = []
  readonly contradictions: ModelError[] = []
  readonly #graph: Graph
  readonly #surroundings: Surroundings
  readonly #outer: Walk | undefined
  /** The last walk over every subgraph, which alone counts. */
  readonly #inner = new Map<Graph, Walk>()

  /** @param inputs what is known of the graph's inputs; what they are declared as comes in addition. */
  constructor(graph: Graph, surroundings: Surroundings, inputs: readonly (Fact | undefined)[], outer?: Walk) {
    this.#graph = graph
    this.#surroundings = surroundings
    this.#outer = outer
    for (const value of graph.initializers) this.facts.set(value, this.#initial(value))
    for (const [value, sparse] of graph.source.sparseInitializers) {
      const elementType = dtypeFromOnnx(sparse.values?.dataType ?? 0)
      this.facts.set(value, { elementType, shape: numbersOf(sparse.dims).map(Number) })
    }
    for (const [index, value] of graph.inputs.entries()) {
      const fact = inputs[index]
      if (value.initializer && !fact) continue
      this.facts.set(value, { ...fact, ...refine(fact ?? unknownFact, this.#declared(value)).type })
    }
    for (const node of topologicalOrder(graph)) this.#visit(node)
  }

  /** What is known of the graph's outputs. */
  get outputs(): readonly Fact[] {
    return this.#graph.outputs.map((value) => this.#factOf(value))
  }

  /** This walk and those over subgraphs. */
  *all(): Generator<Walk> {
    yield this
    for (const walk of this.#inner.values()) yield* walk.all()
  }

  #factOf(value: Value): Fact {
    const known = this.facts.get(value)
    if (known) return known
    return this.#outer ? this.#outer.#factOf(value) : this.#declared(value)
  }

  /** Constant also where it is the default of an input: runs are fed what has none. */
  #initial(value: Value): Fact {
    const initializer = value.initializer!
    const { elementType, shape } = initializer
    const small = sizeOf(shape) <= maxConstantElements && isDType(elementType) && !initializer.isExternal
    return small ? constantFact(initializer.tensor) : { elementType, shape }
  }

  #declared({ elementType, shape }: Value): ValueType {
    const { bound } = this.#surroundings
    return { elementType, shape: shape?.map((dim) => (typeof dim === 'string' ? (bound.get(dim) ?? dim) : dim)) }
  }

  #visit(node: Node): void {
    const inferred = this.#infer(node)
    let known = true
    for (const [index, value] of node.outputs.entries()) {
      if (!value) continue
      const declared = this.#declared(value)
      const { type, contradiction } = refine(inferred?.[index] ?? unknownFact, declared)
      if (contradiction) {
        const expected = `${typeText(declared)}, as declared, for the output '${value.name}'`
        this.contradictions.push(invalidNode(node, expected, typeText(inferred![index]!)))
      }
      this.facts.set(value, { ...inferred?.[index], ...type })
      known &&= isKnown(type)
    }
    if (!known && ruleFor(node)) this.unknown.push(node)
  }

  #infer(node: Node): readonly (Fact | undefined)[] | undefined {
    const rule = ruleFor(node)
    if (!rule) {
      this.unclaimed.push(node)
      for (const graph of node.subgraphs) this.#inferGraph(graph, [])
      return undefined
    }
    const inputs = node.inputs.map((value) => value && this.#factOf(value))
    const inferGraph = (graph: Graph, facts: readonly Fact[]) => this.#inferGraph(graph, facts)
    const site = new Site(node, inputs, this.#surroundings.opset, inferGraph)
    try {
      const outputs = withValues(site, rule(site))
      return outputs.map((fact) => fact && { ...fact, shape: checkedShape(node, fact.shape) })
    } catch (error) {
      if (!(error instanceof ModelError)) throw error
      // One node that cannot work is a result of inference, and may be in a branch that never runs.
      this.contradictions.push(error)
      return undefined
    }
  }

  #inferGraph(graph: Graph, inputs: readonly Fact[]): readonly Fact[] {
    if (++this.#surroundings.subgraphs > maxSubgraphs) {
      throw new ModelError('MODEL_UNSUPPORTED', {
        message: `Expected loops that are nested a few levels deep, got more than ${maxSubgraphs} turns of inference.`,
        remedy: 'Unnest the loops of the model.',
      })
    }
    const walk = new Walk(graph, this.#surroundings, inputs, this)
    this.#inner.set(graph, walk)
    return walk.outputs
  }
}

/** Refuses sizes that no tensor can have, and forgets shapes that no runtime takes. */
function checkedShape(node: Node, shape: PartialShape | undefined): PartialShape | undefined {
  const bad = shape?.find((dim) => typeof dim === 'number' && !(Number.isSafeInteger(dim) && dim >= 0))
  if (bad !== undefined) throw invalidNode(node, 'a result with sizes of 0 or more below 2^53', shapeText(shape!))
  return shape && shape.length <= maxRank ? shape : undefined
}

function typeText({ elementType, shape }: ValueType): string {
  return `${elementType ?? 'a tensor'} ${shape ? shapeText(shape) : 'of unknown rank'}`
}
