import { type Feeds, type Fetches, throwIfAborted } from '@lowlat/core'
import { groupsOf } from '../groups.ts'
import { OutputError, type OutputErrorReport } from '../measure/output-error.ts'
import { firstRows } from '../rows.ts'
import type { Simulation, SimulationSetting } from '../simulate/simulation.ts'
import type { QuantizationParameters, Sites } from '../sites.ts'

/** What quantizing one thing alone does to the outputs, everything else in float. */
export interface Sensitivity {
  /** Activations that share a scale are quantized together; a weight is named by its layer. */
  readonly kind: 'activation' | 'weight'
  /** The values of the group, or the node. */
  readonly names: readonly string[]
  readonly error: OutputErrorReport
}

interface SensitivityTask {
  readonly sites: Sites
  readonly parameters: QuantizationParameters
  /** With switchable weights, made from these parameters. */
  readonly simulation: Simulation
  readonly samples: readonly Feeds[]
  /** Number of rows in a sample. */
  readonly rowsOf: (feeds: Feeds) => number
  readonly onStep?: (completed: number, total: number) => void
  readonly signal?: AbortSignal | undefined
}

/** Rows on which everything is ranked, and on which so many of the worst are then measured. */
const ROWS_TO_RANK = 2
const ROWS_TO_MEASURE = 8
const MEASURED_FULLY = 24

interface Part {
  readonly kind: Sensitivity['kind']
  readonly names: readonly string[]
  readonly setting: SimulationSetting
}

const nothing: SimulationSetting = { activations: new Map(), weights: new Set() }

/** Every activation and every weight by the harm that it does alone; worst first. */
export async function measureSensitivity(task: SensitivityTask): Promise<Sensitivity[]> {
  const { simulation, rowsOf, onStep, signal } = task
  const samples = firstRows(task.samples, rowsOf, ROWS_TO_MEASURE).map(({ feeds }) => feeds)
  const reference: Fetches[] = []
  for (const feeds of samples) {
    throwIfAborted(signal, 'Quantizing the model')
    reference.push(await simulation.run(feeds, nothing))
  }
  const parts = partsOf(task)
  const total = parts.length + Math.min(MEASURED_FULLY, parts.length)
  let completed = 0
  const measure = async (part: Part, most: number): Promise<Sensitivity & { part: Part }> => {
    const error = new OutputError()
    for (const [sample, { feeds, rows }] of firstRows(samples, rowsOf, most).entries()) {
      throwIfAborted(signal, 'Quantizing the model')
      error.add(reference[sample]!, await simulation.run(feeds, part.setting), rows)
    }
    onStep?.(++completed, total)
    return { kind: part.kind, names: part.names, error: error.report, part }
  }
  const ranked = []
  for (const part of parts) ranked.push(await measure(part, ROWS_TO_RANK))
  ranked.sort(worstFirst)
  const worst = []
  for (const { part } of ranked.slice(0, MEASURED_FULLY)) worst.push(await measure(part, ROWS_TO_MEASURE))
  return [...worst.sort(worstFirst), ...ranked.slice(MEASURED_FULLY)].map(({ kind, names, error }) => ({
    kind,
    names,
    error,
  }))
}

function worstFirst({ error: a }: Sensitivity, { error: b }: Sensitivity): number {
  // The difference of two infinite errors would be NaN.
  return a.relativeError === b.relativeError ? 0 : b.relativeError - a.relativeError
}

function partsOf({ sites, parameters }: SensitivityTask): Part[] {
  const activations = [...groupsOf(sites.activations).values()].map((members): Part => {
    const names = members.map((site) => site.value)
    const own = new Map(names.map((name) => [name, parameters.activations.get(name)!]))
    return { kind: 'activation', names, setting: { ...nothing, activations: own } }
  })
  const weights = sites.weights.map(({ node }): Part => {
    return { kind: 'weight', names: [node], setting: { ...nothing, weights: new Set([node]) } }
  })
  return [...activations, ...weights]
}
