import type { Feeds } from './contract.ts'
import { dtypes } from './dtype.ts'
import { ConfigError, InputError } from './errors.ts'
import { outputNamesFrom } from './feeds.ts'
import {
  checkArgument,
  checkOptions,
  durationRule,
  integerRule,
  invalidConfig,
  listRule,
  namesRule,
  type RulesFor,
  sessionRule,
} from './options.ts'
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

export const batcherRules: RulesFor<BatcherOptions> = {
  maxBatchSize: integerRule(1),
  preferredBatchSizes: listRule(integerRule(1)),
  maxQueueDelayUs: durationRule,
  maxQueue: integerRule(0),
  outputs: namesRule,
}

/**
 * @throws ConfigError CONFIG_INVALID when the options do not fit each other or the model; InputError OUTPUT_UNKNOWN, or
 * INVALID_ARGUMENT for what is no session.
 */
export function checkBatcherOptions(session: Session, options: BatcherOptions): void {
  checkArgument('session', session, sessionRule)
  checkOptions('batcher options', options, batcherRules, invalidConfig)
  const { maxBatchSize, preferredBatchSizes = [], outputs } = options
  checkArgument('maxBatchSize', maxBatchSize, batcherRules.maxBatchSize, invalidConfig)
  checkArgument('preferredBatchSizes', preferredBatchSizes, listRule(integerRule(1, maxBatchSize)), invalidConfig)
  const wanted = outputNamesFrom(outputs, session.outputs)
  checkBatchable(session, maxBatchSize, wanted)
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

function checkBatchable(session: Session, maxBatchSize: number, wanted: readonly string[] | undefined): void {
  if (maxBatchSize === 1) return
  const outputs = session.outputs.filter((output) => wanted?.includes(output.name) ?? true)
  for (const { name, dtype, shape } of [...session.inputs, ...outputs]) {
    if (dtypes[dtype].bits < 8) {
      throw unbatchable(maxBatchSize, `rows of '${name}' (${dtype}) need not start at a whole byte`)
    }
    if (typeof shape[0] !== 'string') {
      throw unbatchable(maxBatchSize, `'${name}' is [${shape.join(', ')}], whose first axis is not that of the batch`)
    }
  }
  for (const input of session.inputs) {
    const limit = Math.max(...session.profiles.map((profile) => profile[input.name]?.max[0] ?? maxBatchSize))
    if (session.profiles.length > 0 && limit < maxBatchSize) {
      throw unbatchable(
        maxBatchSize,
        `the profiles allow at most ${limit} rows of '${input.name}'`,
        'Raise the first axis of max in the profile, or lower maxBatchSize.',
      )
    }
  }
}

function unbatchable(
  maxBatchSize: number,
  why: string,
  remedy = 'Export the model with a dynamic first axis in every input and output, ask for other outputs, or leave maxBatchSize at 1.',
): ConfigError {
  return new ConfigError('CONFIG_INVALID', {
    message: `Cannot batch: maxBatchSize is ${maxBatchSize}, but ${why}.`,
    remedy,
  })
}
