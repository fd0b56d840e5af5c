import { Batcher } from './batcher.ts'
import { type BatcherOptions, batcherRules, checkBatcherOptions } from './batcher-options.ts'
import type { Feeds, Fetches } from './contract.ts'
import { ConfigError } from './errors.ts'
import { checkArgument, checkOptions, invalidConfig, nameRule, type RulesFor, sessionRule } from './options.ts'
import type { RequestContext } from './request.ts'
import type { Session } from './session.ts'
import type { Stage } from './stage.ts'
import type { Tensor } from './tensor.ts'

export interface InferOptions extends Partial<BatcherOptions> {}

export interface InferTensorOptions extends Omit<InferOptions, 'outputs'> {
  /** Output to return; needed where the model has several. */
  readonly output?: string
}

const { outputs: _, ...batchingRules } = batcherRules
const inferRules: RulesFor<InferTensorOptions> = { ...batchingRules, output: nameRule }

/**
 * The stage that runs a model with one input on a tensor and returns one output. With `maxBatchSize` above 1 concurrent
 * requests share runs (see {@link Batcher}), and the tensors that come back are views on memory that they share.
 * @throws ConfigError CONFIG_INVALID when the model has several inputs, or several outputs and none is named, or cannot be
 * batched, or an option is unknown or invalid; InputError INVALID_ARGUMENT for what is no session.
 */
export function infer(session: Session, options: InferTensorOptions = {}): Stage<Tensor, Tensor> {
  checkArgument('session', session, sessionRule)
  checkOptions('infer options', options, inferRules, invalidConfig)
  const [input, ...others] = session.inputs
  if (!input || others.length > 0) {
    throw new ConfigError('CONFIG_INVALID', {
      message: `Expected a model with one input, got ${session.inputs.map((info) => info.name).join(', ') || 'none'}.`,
      remedy: 'Use inferFeeds(session), which takes all inputs by name.',
    })
  }
  const { output: name, ...batching } = options
  const output = outputOf(session, name)
  const run = runner(session, { ...batching, outputs: [output] })
  return {
    name: 'infer',
    run: async (tensor, request) => (await run({ [input.name]: tensor }, request))[output]!,
  }
}

/**
 * The stage that runs a model on all inputs by name and returns all outputs by name, or those in `outputs`. Batching as
 * for {@link infer}.
 * @throws ConfigError CONFIG_INVALID when an option is unknown or invalid, or the model cannot be batched; InputError
 * OUTPUT_UNKNOWN, or INVALID_ARGUMENT for what is no session.
 */
export function inferFeeds(session: Session, options: InferOptions = {}): Stage<Feeds, Fetches> {
  checkArgument('session', session, sessionRule)
  checkOptions('infer options', options, batcherRules, invalidConfig)
  return { name: 'infer', run: runner(session, options) }
}

type Run = (feeds: Feeds, request: RequestContext) => Promise<Fetches>

function runner(session: Session, options: InferOptions): Run {
  const { maxBatchSize = 1, outputs } = options
  const settings = { ...options, maxBatchSize }
  if (maxBatchSize > 1) {
    const batcher = new Batcher(session, settings)
    return (feeds, request) => batcher.runRequest(feeds, request)
  }
  checkBatcherOptions(session, settings)
  return (feeds, request) => session.runRequest(feeds, request, outputs)
}

function outputOf(session: Session, name: string | undefined): string {
  const names = session.outputs.map((info) => info.name)
  if (name !== undefined && names.includes(name)) return name
  if (name === undefined && names.length === 1) return names[0]!
  throw new ConfigError('CONFIG_INVALID', {
    message: `Expected the name of one output among ${names.join(', ')}, got ${name ?? 'none'}.`,
    remedy: `Pass { output: '${names[0]}' }.`,
    expected: names,
    received: name,
  })
}
