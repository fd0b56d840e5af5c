import { type Backend, createSession, type Feeds, type Session } from '@lowlat/core'
import { type Graph, onnxFromGraph } from '@lowlat/onnx'
import { minMax } from '../calibrate/calibrators.ts'
import { collectStatistics } from '../calibrate/collect.ts'
import { parametersFor } from '../calibrate/scheme.ts'
import { groupsOf } from '../groups.ts'
import { insertQdq } from '../insert/insert-qdq.ts'
import type { QuantizationParameters, Sites } from '../sites.ts'
import type { Recipe } from '../targets/recipe.ts'
import { quantizeWeight } from '../weights/quantize-weight.ts'

/** Runs and quantizes graphs on a backend, in the plainest way. */
export class PlainQuantizer {
  readonly #backend: Backend

  constructor(backend: Backend) {
    this.#backend = backend
  }

  /** A session that leaves nothing behind. */
  open(graph: Graph): Promise<Session> {
    return createSession(onnxFromGraph(graph), { backend: this.#backend, cache: false, warmup: false })
  }

  /** How many layers of each operator the backend runs. */
  async operatorsRun(graph: Graph, feeds: Feeds): Promise<ReadonlyMap<string, number>> {
    await using session = await this.open(graph)
    const counts = new Map<string, number>()
    for (const { operator } of await session.profile(feeds, 1)) counts.set(operator, (counts.get(operator) ?? 0) + 1)
    return counts
  }

  async quantize(graph: Graph, recipe: Recipe, samples: readonly Feeds[]): Promise<Graph> {
    const sites = recipe.sites(graph)
    return insertQdq(graph, sites, await this.parameters(graph, sites, recipe, samples), recipe)
  }

  /** Ranges of all that was seen, and weights that are covered. */
  async parameters(
    graph: Graph,
    sites: Sites,
    recipe: Recipe,
    samples: readonly Feeds[],
  ): Promise<QuantizationParameters> {
    const values = [...sites.activations.map(({ value }) => value), ...graph.outputs.map(({ name }) => name)]
    const table = await collectStatistics(graph, [...new Set(values)], samples, { backend: this.#backend })
    const activations = new Map(
      [...groupsOf(sites.activations).values()].flatMap((members) => {
        const histogram = table.histogramOf(members.map(({ value }) => value))
        const parameters = parametersFor(minMax(histogram, recipe.activation), recipe.activation)
        return members.map(({ value }) => [value, parameters] as const)
      }),
    )
    const constants = new Map(graph.initializers.map((value) => [value.name, value.initializer!]))
    const weights = new Map(
      sites.weights.map(({ node, value, axis }) => {
        const { tensor } = constants.get(value)!
        return [node, quantizeWeight(tensor, { axis, scheme: recipe.weight, method: 'absmax' })] as const
      }),
    )
    return { activations, weights, biases: new Map() }
  }
}
