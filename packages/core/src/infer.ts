import { Batcher, type BatcherOptions } from './batcher.ts'
import type { Feeds, Fetches, TensorInfo } from './contract.ts'
import { ConfigError } from './errors.ts'
import type { RequestContext } from './request.ts'
import type { Session } from './session.ts'
import type { Stage } from './stage.ts'
import type { Tensor } from './tensor.ts'

export interface InferOptions extends Partial<BatcherOptions> {}

export interface InferTensorOptions extends InferOptions {
  /** Input to feed; needed where the model has several. */
  readonly input?: string
  /** Output to return; needed where the model has several. */
  readonly output?: string
}

/**
 * The stage that runs a model with one input on a tensor and returns one output. With `maxBatchSize` above 1 concurrent
 * requests share runs (see {@link Batcher}).
 * @throws ConfigError CONFIG_INVALID when the model has several inputs or outputs and none is named, or cannot be batched.
 */
export function infer(session: Session, options: InferTensorOptions = {}): Stage<Tensor, Tensor> {
  const input = single('input', session.inputs, options.input)
  if (session.inputs.length > 1) {
    throw new ConfigError('CONFIG_INVALID', {
      message: `Expected a model with one input, got ${session.inputs.map((info) => info.name).join(', ')}.`,
      remedy: 'Use inferFeeds(session), which takes all inputs by name.',
    })
  }
  const output = single('output', session.outputs, options.output)
  const run = runner(session, options, [output])
  return {
    name: 'infer',
    run: async (tensor, request) => (await run({ [input]: tensor }, request))[output]!,
  }
}

/** The stage that runs a model on all inputs by name and returns all outputs by name. */
export function inferFeeds(session: Session, options: InferOptions = {}): Stage<Feeds, Fetches> {
  return { name: 'infer', run: runner(session, options) }
}

type Run = (feeds: Feeds, request: RequestContext) => Promise<Fetches>

function runner(session: Session, options: InferOptions, outputs?: readonly string[]): Run {
  const { maxBatchSize = 1 } = options
  if (maxBatchSize === 1) return (feeds, request) => session.runRequest(feeds, request, outputs)
  const batcher = new Batcher(session, { ...options, maxBatchSize })
  return (feeds, request) => batcher.runRequest(feeds, request)
}

function single(kind: 'input' | 'output', infos: readonly TensorInfo[], name: string | undefined): string {
  const names = infos.map((info) => info.name)
  if (name !== undefined && names.includes(name)) return name
  if (name === undefined && names.length === 1) return names[0]!
  throw new ConfigError('CONFIG_INVALID', {
    message: `Expected the name of one ${kind} among ${names.join(', ')}, got ${name ?? 'none'}.`,
    remedy: `Pass { ${kind}: '${names[0]}' }.`,
    expected: names,
    received: name,
  })
}
