import type { Feeds } from './contract.ts'
import { dtypes } from './dtype.ts'
import { ConfigError, InputError } from './errors.ts'
import { checkOutputNames } from './feeds.ts'
import type { Session } from './session.ts'

export interface BatcherOptions {
  /** Rows per run at most. */
  readonly maxBatchSize: number
  /** Sizes that run well: a batch starts as soon as it can have the largest of these. Default: only maxBatchSize. */
  readonly preferredBatchSizes?: readonly number[]
  /** How long the oldest request waits for company, once a context is free. Default 0: not at all. */
  readonly maxQueueDelayUs?: number
  /** Requests that may wait; more are rejected at once. Default 1024. */
  readonly maxQueue?: number
  /** Outputs to compute and return; all when absent. */
  readonly outputs?: readonly string[]
}

/** @throws ConfigError CONFIG_INVALID when the options do not fit each other or the model; InputError OUTPUT_UNKNOWN. */
export function checkBatcherOptions(session: Session, options: BatcherOptions): void {
  const { maxBatchSize, preferredBatchSizes = [], maxQueueDelayUs = 0, maxQueue = 0, outputs = [] } = options
  checkOption('maxBatchSize', maxBatchSize, 1)
  checkOption('maxQueue', maxQueue, 0)
  for (const size of preferredBatchSizes) checkOption('preferredBatchSizes', size, 1, maxBatchSize)
  if (!(maxQueueDelayUs >= 0)) throw invalid(`maxQueueDelayUs is ${maxQueueDelayUs}`, 'Pass microseconds, at least 0.')
  checkOutputNames(outputs, session.outputs)
  checkBatchable(session, maxBatchSize)
}

/**
 * The rows of a request: the size of the first axis, the same in every input.
 * @throws InputError INPUT_SHAPE.
 */
export function rowsOf(feeds: Feeds, maxBatchSize: number): number {
  let rows: number | undefined
  for (const [name, tensor] of Object.entries(feeds)) {
    const own = tensor.shape[0]
    rows ??= own
    if (own === rows && own !== undefined && own >= 1 && own <= maxBatchSize) continue
    throw new InputError('INPUT_SHAPE', {
      message: `Expected 1 to ${maxBatchSize} rows (maxBatchSize), the same in every input, got [${tensor.shape.join(', ')}] for '${name}'.`,
      remedy: 'Split the request, or raise maxBatchSize.',
      expected: rows ?? maxBatchSize,
      received: tensor.shape,
    })
  }
  return rows ?? 1
}

function checkBatchable(session: Session, maxBatchSize: number): void {
  if (maxBatchSize === 1) return
  for (const { name, dtype } of [...session.inputs, ...session.outputs]) {
    if (dtypes[dtype].bits >= 8) continue
    throw invalid(
      `maxBatchSize is ${maxBatchSize}, but rows of '${name}' (${dtype}) need not start at a whole byte`,
      'Leave maxBatchSize at 1.',
    )
  }
  for (const input of session.inputs) {
    const [first] = input.shape
    if (typeof first !== 'string') {
      throw invalid(
        `maxBatchSize is ${maxBatchSize}, but input '${input.name}' is [${input.shape.join(', ')}]`,
        'Export the model with a dynamic first axis, or leave maxBatchSize at 1.',
      )
    }
    const limit = Math.max(...session.profiles.map((profile) => profile[input.name]?.max[0] ?? maxBatchSize))
    if (session.profiles.length > 0 && limit < maxBatchSize) {
      throw invalid(
        `maxBatchSize is ${maxBatchSize}, but the profiles allow at most ${limit} rows of '${input.name}'`,
        'Raise the first axis of max in the profile, or lower maxBatchSize.',
      )
    }
  }
}

function checkOption(name: string, value: number, min: number, max = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return
  throw invalid(
    `${name} is ${String(value)}`,
    `Pass an integer from ${min}${max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`}.`,
  )
}

function invalid(what: string, remedy: string): ConfigError {
  return new ConfigError('CONFIG_INVALID', { message: `Cannot batch: ${what}.`, remedy })
}
