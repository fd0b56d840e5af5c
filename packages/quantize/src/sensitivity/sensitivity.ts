import type { Feeds, Fetches } from '@lowlat/core'
import { groupsOf } from '../groups.ts'
import { OutputError, type OutputErrorReport } from '../measure/output-error.ts'
import type { Simulation } from '../simulate/simulation.ts'
import type { ActivationParameters, QuantizationParameters, Sites } from '../sites.ts'

/** What quantizing one thing alone does to the outputs, everything else in float. */
export interface Sensitivity {
  /** Activations that share a scale are quantized together; a weight is named by its layer. */
  readonly kind: 'activation' | 'weight'
  /** The values of the group, or the node. */
  readonly names: readonly string[]
  readonly error: OutputErrorReport
}

export interface SensitivityTask {
  readonly sites: Sites
  readonly parameters: QuantizationParameters
  /** With switchable weights, made from these parameters. */
  readonly simulation: Simulation
  readonly samples: readonly Feeds[]
  readonly onStep?: (completed: number, total: number) => void
  readonly signal?: AbortSignal | undefined
}

/** Every activation and every weight by the harm that it does alone; worst first. */
export async function measureSensitivity(task: SensitivityTask): Promise<Sensitivity[]> {
  const { sites, parameters, simulation, samples, onStep, signal } = task
  const none = { activations: new Map<string, ActivationParameters>(), weights: new Set<string>() }
  const reference: Fetches[] = []
  for (const feeds of samples) reference.push(await simulation.run(feeds, none))
  const groups = groupsOf(sites.activations)
  const trials = [
    ...[...groups.values()].map((members) => {
      const names = members.map((site) => site.value)
      const activations = new Map(names.map((name) => [name, parameters.activations.get(name)!] as const))
      return { kind: 'activation' as const, names, setting: { ...none, activations } }
    }),
    ...sites.weights
      .filter((site) => parameters.weights.has(site.node))
      .map(({ node }) => ({
        kind: 'weight' as const,
        names: [node],
        setting: { ...none, weights: new Set([node]) },
      })),
  ]
  const found: Sensitivity[] = []
  for (const [index, { kind, names, setting }] of trials.entries()) {
    const error = new OutputError()
    for (const [sample, feeds] of samples.entries()) {
      signal?.throwIfAborted()
      error.add(reference[sample]!, await simulation.run(feeds, setting))
    }
    found.push({ kind, names, error: error.report })
    onStep?.(index + 1, trials.length)
  }
  return found.sort((a, b) => b.error.relativeError - a.error.relativeError)
}
