import { floatPartsOf, inFloatOf, nameOf, oncePerChoice } from './gate.ts'
import type { FloatPart } from './options.ts'
import { fewest } from './sensitivity/fewest.ts'
import type { Sensitivity } from './sensitivity/sensitivity.ts'
import type { FloatParts } from './targets/recipe.ts'

/** Share of the parts that may stay in float; of a few, one may. */
const MOST_SHARE = 0.1

export interface RemainderTask {
  readonly leastSqnrDb: number
  /** Of the model with everything in integers. */
  readonly sqnrDb: number
  /** Signal to noise of the outputs with parts left in float; undefined where that leaves nothing to quantize. */
  measure(floats: FloatParts): Promise<number | undefined>
  /** What hurts most, worst first; asked for only when it is needed. */
  rank(): Promise<readonly Sensitivity[]>
  onMeasured(sqnrDb: number, inFloat: readonly string[]): void
}

export interface Remainder {
  readonly floats: FloatParts
  readonly inFloat: readonly FloatPart[]
}

/**
 * Leaves the fewest, most sensitive parts in float until the outputs have the signal to noise that is asked for, but no
 * more than a tenth of the parts: where these do not suffice all of them stay in float, if that is any better.
 */
export async function leaveRemainder(task: RemainderTask): Promise<Remainder | undefined> {
  if (task.sqnrDb >= task.leastSqnrDb) return undefined
  const ranked = await task.rank()
  const candidates = ranked.slice(0, Math.max(1, Math.floor(MOST_SHARE * ranked.length)))
  const measure = oncePerChoice(async (taken) => {
    const sqnrDb = (await task.measure(floatPartsOf(taken))) ?? Number.NEGATIVE_INFINITY
    task.onMeasured(sqnrDb, taken.map(nameOf))
    return sqnrDb
  })
  const reached = await fewest(candidates, async (taken) => (await measure(taken)) >= task.leastSqnrDb)
  const taken = reached ?? candidates
  if (!reached && (await measure(taken)) <= task.sqnrDb) return undefined
  return { floats: floatPartsOf(taken), inFloat: inFloatOf(taken) }
}
