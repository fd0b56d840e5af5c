import { createBackend } from '@lowlat/backend-cpu'
import { createSession, type Feeds, type Session } from '@lowlat/core'
import { type Graph, onnxFromGraph } from '@lowlat/onnx'
import { minMax } from '../calibrate/calibrators.ts'
import { collectStatistics } from '../calibrate/collect.ts'
import { parametersFor } from '../calibrate/scheme.ts'
import { groupsOf } from '../groups.ts'
import { insertQdq } from '../insert/insert-qdq.ts'
import type { QuantizationParameters, Sites } from '../sites.ts'
import type { Recipe } from '../targets/recipe.ts'
import { quantizeWeight } from '../weights/quantize-weight.ts'

export const backend = createBackend()

/** A session that leaves nothing behind. */
export function open(graph: Graph): Promise<Session> {
  const backendOptions = { cpu: { threads: 1, placement: 'inline' as const } }
  return createSession(onnxFromGraph(graph), { backend, cache: false, warmup: false, backendOptions })
}

/** The plainest parameters: all that was seen, and weights that cover themselves. */
export async function minMaxParameters(
  graph: Graph,
  sites: Sites,
  recipe: Pick<Recipe, 'activation' | 'weight'>,
  samples: readonly Feeds[],
): Promise<QuantizationParameters> {
  const values = sites.activations.map(({ value }) => value)
  const table = await collectStatistics(graph, values, samples, { backend })
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

export async function quantizeMinMax(graph: Graph, recipe: Recipe, samples: readonly Feeds[]): Promise<Graph> {
  const sites = recipe.sites(graph)
  return insertQdq(graph, sites, await minMaxParameters(graph, sites, recipe, samples), recipe)
}

/** How many layers of each operator a backend runs for a model. */
export async function operatorsRun(graph: Graph, feeds: Feeds): Promise<ReadonlyMap<string, number>> {
  await using session = await open(graph)
  const counts = new Map<string, number>()
  for (const { operator } of await session.profile(feeds, 1)) counts.set(operator, (counts.get(operator) ?? 0) + 1)
  return counts
}
