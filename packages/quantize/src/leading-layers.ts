import type { LeadingLayers } from './options.ts'
import type { PairTiming, TimingEffort } from './speed.ts'

/** How much faster a model has to be for one more cut: what is found by chance costs no more than that. */
const LEAST_GAIN = 1.005
/** How much faster all of it has to be: less is not worth a model that computes in two ways. */
const WORTHWHILE = 1.02
/** Layers that are tried in a row without a gain. Cuts where the activations are large cost more than those around them. */
const PATIENCE = 6
/** Longer looks at what seemed faster in a shorter one: of many that are tried, one always seems so by chance. */
const LOOKS: readonly TimingEffort[] = [
  { mostPairs: 10, mostUs: 2e5 },
  { mostPairs: 40, mostUs: 5e5 },
  { mostPairs: 80, mostUs: 2e6 },
]

interface LeadingTask<T extends AsyncDisposable> {
  /** Names of the layers that may compute on integers, producers first. */
  readonly layers: readonly string[]
  /** The quantized model with some layers in float, ready to run. */
  open(inFloat: readonly string[]): Promise<T>
  time(first: T, second: T, effort?: TimingEffort): Promise<PairTiming>
  onTimed(layers: number, speedup: number): void
}

interface Opened<T> {
  readonly count: number
  readonly model: T
}

/**
 * Finds how many of the first layers are computed faster in float, by the time of whole runs. There the activations are
 * largest and the channels fewest: what integers save in products may be less than what it costs to write and read them,
 * and they need not be converted where there are many of them. Undefined where integers pay from the first layer on.
 */
export async function findLeadingLayers<T extends AsyncDisposable>(
  task: LeadingTask<T>,
): Promise<LeadingLayers | undefined> {
  await using integers = await task.open([])
  const best = await fastest(task, integers)
  if (best.model === integers) return undefined
  await using model = best.model
  const { firstUs, secondUs, speedup } = await task.time(integers, model)
  if (speedup < WORTHWHILE) return undefined
  return { names: task.layers.slice(0, best.count), integersUs: firstUs, floatUs: secondUs, speedup }
}

/** The caller disposes of what it gets, and of `integers`, which may be the same. */
async function fastest<T extends AsyncDisposable>(task: LeadingTask<T>, integers: T): Promise<Opened<T>> {
  const { layers } = task
  let best: Opened<T> = { count: 0, model: integers }
  let needless: T | undefined
  const release = async () => {
    if (needless && needless !== integers) await needless[Symbol.asyncDispose]()
    needless = undefined
  }
  try {
    for (let count = 1; count < layers.length && count <= best.count + PATIENCE; count++) {
      const model = await task.open(layers.slice(0, count))
      needless = model
      if (await isFaster(task, best.model, { count, model })) {
        needless = best.model
        best = { count, model }
      }
      await release()
    }
    return best
  } catch (error) {
    await release()
    needless = best.model
    await release()
    throw error
  }
}

async function isFaster<T extends AsyncDisposable>(
  task: LeadingTask<T>,
  best: T,
  { count, model }: Opened<T>,
): Promise<boolean> {
  for (const effort of LOOKS) {
    const { speedup } = await task.time(best, model, effort)
    task.onTimed(count, speedup)
    if (speedup < LEAST_GAIN) return false
  }
  return true
}
