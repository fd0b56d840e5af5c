import { ModelError } from '@lowlat/core'
import type { Graph } from '@lowlat/onnx'
import type { FloatPart, GateReport } from './options.ts'
import { fewest } from './sensitivity/fewest.ts'
import type { Sensitivity } from './sensitivity/sensitivity.ts'
import type { FloatParts } from './targets/recipe.ts'

export interface GateTask {
  readonly metric: string
  readonly maxDrop: number
  /** The metric of a model; of the float model without one. */
  evaluate(quantized?: Graph): Promise<number>
  /** The quantized model with parts of it left in float; undefined where that leaves nothing to quantize. */
  build(floats: FloatParts): Promise<Graph | undefined>
  /** What hurts most, worst first; asked for only when it is needed. */
  rank(): Promise<readonly Sensitivity[]>
  onEvaluated(metric: number, drop: number, inFloat: readonly string[]): void
}

export interface GateResult {
  readonly floats: FloatParts
  readonly inFloat: readonly FloatPart[]
  readonly gate: GateReport
}

/**
 * Leaves the fewest, most sensitive parts in float until no more than `maxDrop` of the metric is lost.
 * @throws ModelError ACCURACY_NOT_REACHED when no model with anything in integers keeps so much.
 */
export async function passGate(task: GateTask): Promise<GateResult> {
  const float = await task.evaluate()
  let reached = Number.NEGATIVE_INFINITY
  const evaluate = oncePerChoice(async (taken) => {
    const graph = await task.build(floatPartsOf(taken))
    const value = graph ? await task.evaluate(graph) : Number.NEGATIVE_INFINITY // that would be the float model
    reached = Math.max(reached, value)
    task.onEvaluated(value, float - value, taken.map(nameOf))
    return value
  })
  const holds = async (taken: readonly Sensitivity[]) => float - (await evaluate(taken)) <= task.maxDrop
  const report = (taken: readonly Sensitivity[], quantized: number): GateResult => ({
    floats: floatPartsOf(taken),
    inFloat: inFloatOf(taken),
    gate: { metric: task.metric, float, quantized, drop: float - quantized, maxDrop: task.maxDrop },
  })
  if (await holds([])) return report([], await evaluate([]))
  const taken = await fewest(await task.rank(), holds)
  if (taken) return report(taken, await evaluate(taken))
  throw new ModelError('ACCURACY_NOT_REACHED', {
    message: `Expected a drop of at most ${task.maxDrop} in ${task.metric} from ${float}, but the best that was reached is ${reached}.`,
    remedy: 'Raise maxDrop, calibrate with more or more typical samples, or train the model with quantization.',
    expected: float - task.maxDrop,
    received: reached,
    details: { metric: task.metric, float, reached },
  })
}

export const nameOf = ({ kind, names }: Sensitivity) => `${kind} ${names[0]}`

/** Measures each set of parts once, in whatever order they are named. */
export function oncePerChoice(
  measure: (taken: readonly Sensitivity[]) => Promise<number>,
): (taken: readonly Sensitivity[]) => Promise<number> {
  const known = new Map<string, number>()
  return async (taken) => {
    const key = taken.map(nameOf).sort().join('\n')
    const value = known.get(key) ?? (await measure(taken))
    known.set(key, value)
    return value
  }
}

/** For the report. */
export function inFloatOf(taken: readonly Sensitivity[]): FloatPart[] {
  return taken.map(({ kind, names, error }) => ({ kind, name: names[0]!, sqnrDb: error.sqnrDb }))
}

/** What a recipe has to leave in float. */
export function floatPartsOf(taken: readonly Sensitivity[]): FloatParts {
  const of = (kind: Sensitivity['kind']) => taken.filter((part) => part.kind === kind).flatMap(({ names }) => names)
  return { values: new Set(of('activation')), nodes: new Set(of('weight')) }
}
