import { type Feeds, type Fetches, InputError } from '@lowlat/core'
import type { Metric } from '../options.ts'

export interface LabelledSample {
  readonly feeds: Feeds
  /** Index of the right class; one per row of the batch. */
  readonly labels: readonly number[]
}

/**
 * Share of the rows whose largest score is that of the right class, from 0 to 1.
 * @param samples are iterated over anew for every model.
 * @param output holds the scores, [N, classes]; default: the first output.
 */
export function top1Metric(
  samples: Iterable<LabelledSample> | (() => AsyncIterable<LabelledSample>),
  output?: string,
): Metric {
  return {
    name: 'top-1',
    async evaluate(run) {
      let rows = 0
      let right = 0
      for await (const { feeds, labels } of typeof samples === 'function' ? samples() : samples) {
        const scores = scoresOf(await run(feeds), labels.length, output)
        for (const [row, label] of labels.entries()) {
          rows++
          if (largestOf(scores[row]!) === label) right++
        }
      }
      return right / rows
    },
  }
}

function scoresOf(fetches: Fetches, rows: number, output = Object.keys(fetches)[0]!): readonly Float32Array[] {
  const tensor = fetches[output]
  const scores = tensor?.toFloat32()
  if (!scores || scores.length % rows !== 0 || scores.length === 0) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected scores for ${rows} rows in the output '${output}', got ${tensor ? `[${tensor.shape.join(', ')}]` : 'none'}.`,
      remedy: 'Pass one label per row of a sample, and name the output with the scores.',
    })
  }
  const classes = scores.length / rows
  return Array.from({ length: rows }, (_, row) => scores.subarray(row * classes, (row + 1) * classes))
}

function largestOf(scores: Float32Array): number {
  let best = 0
  for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[best]!) best = i
  return best
}
