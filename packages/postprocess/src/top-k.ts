import {
  booleanRule,
  checkArgument,
  checkOptions,
  invalidConfig,
  type RulesFor,
  type Stage,
  type Tensor,
} from '@lowlat/core'
import { softmax } from './activations.ts'
import { checkLabels, checkTensor, countRule, labelsRule, numbersRule, shapeError } from './check.ts'

export interface Classification {
  /** Position of the class in the model's output. */
  readonly index: number
  readonly score: number
  /** Present where labels were given. */
  readonly label?: string
}

export interface TopKOptions {
  /** One per class, in the order of the model's output. */
  readonly labels?: readonly string[]
  /** The model returns logits: report their softmax as scores. Default false. */
  readonly softmax?: boolean
}

const topKRules: RulesFor<TopKOptions> = { labels: labelsRule, softmax: booleanRule }

/** Above this many the selection sorts everything, instead of inserting into a short list. */
const LONGEST_INSERTION = 64

/**
 * Positions of the k largest values, largest first; of equal values the lower position comes first, and NaN ranks
 * behind everything. Fewer than k where there are fewer values.
 * @throws InputError INVALID_ARGUMENT for what is no list of numbers; ConfigError CONFIG_INVALID for a bad k.
 */
export function topKIndices(values: ArrayLike<number>, k: number): number[] {
  checkArgument('values', values, numbersRule)
  checkArgument('k', k, countRule, invalidConfig)
  if (k > LONGEST_INSERTION) {
    return Array.from(values, (_, i) => i)
      .sort((a, b) => (ranksBefore(values[a]!, values[b]!) ? -1 : ranksBefore(values[b]!, values[a]!) ? 1 : a - b))
      .slice(0, k)
  }
  const best: number[] = []
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (best.length === k && !ranksBefore(value, values[best[k - 1]!]!)) continue
    if (best.length === k) best.pop()
    let at = best.length
    while (at > 0 && ranksBefore(value, values[best[at - 1]!]!)) at--
    best.splice(at, 0, i)
  }
  return best
}

function ranksBefore(a: number, b: number): boolean {
  return a > b || (Number.isNaN(b) && !Number.isNaN(a))
}

/**
 * The k best classes of every row of [N, C]; [C] counts as one row. Ranked by the given values; see
 * {@link topKIndices} for ties and NaN.
 * @throws InputError INVALID_ARGUMENT for what is no tensor, INPUT_SHAPE for other ranks; ConfigError CONFIG_INVALID for a
 *   bad k, bad options or the wrong number of labels.
 */
export function classify(tensor: Tensor, k: number, options: TopKOptions = {}): Classification[][] {
  checkTopK(k, options)
  return rankRows(tensor, k, options)
}

function checkTopK(k: number, options: TopKOptions): void {
  checkArgument('k', k, countRule, invalidConfig)
  checkOptions('top-k options', options, topKRules, invalidConfig)
}

/** {@link classify} with options that were checked. */
function rankRows(tensor: Tensor, k: number, options: TopKOptions): Classification[][] {
  checkTensor(tensor)
  const { labels } = options
  const [rows, classes] = tensor.shape.length === 1 ? [1, tensor.shape[0]!] : tensor.shape
  if (rows === undefined || classes === undefined || tensor.shape.length > 2) {
    throw shapeError(
      'scores [N, C] or [C]',
      tensor,
      'Pass the output of a classifier; reshape it where axes of 1 remain.',
    )
  }
  checkLabels(labels, classes)
  const values = tensor.toFloat32()
  const scores = options.softmax ? softmax(tensor).data : values
  return Array.from({ length: rows }, (_, row) => {
    const start = row * classes
    return topKIndices(values.subarray(start, start + classes), k).map((index) => {
      const score = scores[start + index]!
      return labels ? { index, score, label: labels[index]! } : { index, score }
    })
  })
}

/**
 * The stage from the scores of one request, [1, C] or [C], to its k best classes.
 * @throws ConfigError CONFIG_INVALID at once for a bad k or bad options; as {@link classify} when it runs.
 */
export function topK(k: number, options: TopKOptions = {}): Stage<Tensor, Classification[]> {
  checkTopK(k, options)
  return {
    name: 'topK',
    segment: 'postprocess',
    run(tensor) {
      const [first, ...others] = rankRows(tensor, k, options)
      if (first && others.length === 0) return first
      throw shapeError('scores of one request, [1, C] or [C]', tensor, 'Use topKBatch for a list per row.')
    },
  }
}

/** The stage from scores [N, C] to one list of the k best classes per row. */
export function topKBatch(k: number, options: TopKOptions = {}): Stage<Tensor, Classification[][]> {
  checkTopK(k, options)
  return { name: 'topKBatch', segment: 'postprocess', run: (tensor) => rankRows(tensor, k, options) }
}
