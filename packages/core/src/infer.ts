import { Batcher } from './batcher.ts'
import type { BatcherOptions } from './batcher-options.ts'
import type { Feeds, Fetches } from './contract.ts'
import { ConfigError } from './errors.ts'
import type { RequestContext } from './request.ts'
import type { Session } from './session.ts'
import type { Stage } from './stage.ts'
import type { Tensor } from './tensor.ts'

export interface InferOptions extends Partial<BatcherOptions> {}

export interface InferTensorOptions extends Omit<InferOptions, 'outputs'> {
  /** Output to return; needed where the model has several. */
  readonly output?: string
}

/**
 * The stage that runs a model with one input on a tensor and returns one output. With `maxBatchSize` above 1 concurrent
 * requests share runs (see {@link Batcher}).
 * @throws ConfigError CONFIG_INVALID when the model has several inputs, or several outputs and none is named, or cannot be
 * batched.
 */
export function infer(session: Session, options: InferTensorOptions = {}): Stage<Tensor, Tensor> {
  const [input, ...others] = session.inputs
  if (!input || others.length > 0) {
    throw new ConfigError('CONFIG_INVALID', {
      message: `Expected a model with one input, got ${session.inputs.map((info) => info.name).join(', ') || 'none'}.`,
      remedy: 'Use inferFeeds(session), which takes all inputs by name.',
    })
  }
  const output = outputOf(session, options.output)
  const run = runner(session, { ...options, outputs: [output] })
  return {
    name: 'infer',
    run: async (tensor, request) => (await run({ [input.name]: tensor }, request))[output]!,
  }
}

/** The stage that runs a model on all inputs by name and returns all outputs by name. */
export function inferFeeds(session: Session, options: InferOptions = {}): Stage<Feeds, Fetches> {
  return { name: 'infer', run: runner(session, options) }
}

type Run = (feeds: Feeds, request: RequestContext) => Promise<Fetches>

function runner(session: Session, options: InferOptions): Run {
  const { maxBatchSize = 1, outputs } = options
  if (maxBatchSize === 1) return (feeds, request) => session.runRequest(feeds, request, outputs)
  const batcher = new Batcher(session, { ...options, maxBatchSize })
  return (feeds, request) => batcher.runRequest(feeds, request)
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
