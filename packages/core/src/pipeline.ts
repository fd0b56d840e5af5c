import { type Clock, systemClock } from './clock.ts'
import { checkArgument, checkOptions, clockRule, type Rule } from './options.ts'
import type { RequestContext } from './request.ts'
import { checkBounds, type RequestOptions, requestContextFrom, settleWithin } from './request-options.ts'
import { type Stage, type StageLike, stageFrom } from './stage.ts'
import { type StreamOptions, stream } from './stream.ts'

/**
 * A chain of stages with types inferred from one to the next. Immutable: `pipe` returns a new pipeline, so a common
 * beginning can be shared. A pipeline is itself a stage, and safe for concurrent requests if its stages are.
 */
export class Pipeline<I, O> implements Stage<I, O> {
  readonly name: string
  readonly #stages: readonly Stage<unknown, unknown>[]
  readonly #clock: Clock

  /** Use {@link pipeline}. */
  constructor(stages: readonly Stage<unknown, unknown>[], clock: Clock) {
    this.#stages = stages
    this.#clock = clock
    this.name = stages.map((stage) => stage.name).join(' > ')
  }

  pipe<P>(next: StageLike<O, P>): Pipeline<I, P> {
    return new Pipeline<I, P>([...this.#stages, checkStage(next)], this.#clock)
  }

  /**
   * Takes one input through every stage. @throws (as rejection) whatever a stage throws; DeadlineError and AbortError,
   * which may come while a stage works (its result is then dropped); InputError INVALID_ARGUMENT for an option that is
   * unknown or invalid.
   */
  run(input: I): Promise<O>
  run(input: I, options: RequestOptions): Promise<O>
  run(input: I, context: RequestContext): Promise<O>
  async run(input: I, options: RequestOptions | RequestContext = {}): Promise<O> {
    if (isContext(options)) return this.#run(input, options)
    const context = requestContextFrom(options, this.#clock)
    try {
      return await this.#run(input, context)
    } finally {
      context.timeline.end(this.#clock.nowUs())
    }
  }

  /**
   * Takes a stream of inputs through the pipeline, several at a time; see {@link StreamOptions}. Backpressure is by
   * count: a further input is pulled only while fewer than `maxInFlight` are between source and consumer. Promised items
   * of a synchronous source are awaited, as `for await` does.
   * @throws InputError INVALID_ARGUMENT for what cannot be iterated, and for an option that is unknown or invalid.
   */
  stream(
    source: Iterable<I | PromiseLike<I>> | AsyncIterable<I>,
    options: StreamOptions<I> = {},
  ): AsyncGenerator<O, void, undefined> {
    return stream((input, request) => this.run(input, request), source, options)
  }

  async #run(input: I, context: RequestContext): Promise<O> {
    let value: unknown = input
    for (const stage of this.#stages) {
      checkBounds(context, this.#clock, `before the stage '${stage.name}'`)
      const startUs = this.#clock.nowUs()
      const result = stage.run(value, context)
      value = isPromiseLike(result)
        ? await settleWithin(result, context, this.#clock, `in the stage '${stage.name}'`)
        : result
      if (stage.segment) context.timeline.span(stage.segment, startUs, this.#clock.nowUs(), stage.name)
    }
    checkBounds(context, this.#clock, 'in the last stage')
    return value as O
  }
}

/**
 * A pipeline of one stage, to be continued with `pipe`.
 * @throws InputError INVALID_ARGUMENT for what is no stage, and for an option that is unknown or invalid.
 */
export function pipeline<I, O>(first: StageLike<I, O>, options: { clock?: Clock } = {}): Pipeline<I, O> {
  checkOptions('pipeline options', options, { clock: clockRule })
  return new Pipeline<I, O>([checkStage(first)], options.clock ?? systemClock)
}

const stageRule: Rule = {
  expected: 'what a stage factory returns (decodeImage({ ... }), infer(session), topK(5)), or a function,',
  accepts: (stage) =>
    typeof stage === 'function' || typeof (stage as { run?: unknown } | null | undefined)?.run === 'function',
}

function checkStage<I, O>(stage: StageLike<I, O>): Stage<unknown, unknown> {
  checkArgument('stage', stage, stageRule)
  return stageFrom(stage) as Stage<unknown, unknown>
}

// By its method, since another copy of this package may have made it.
function isContext(options: RequestOptions | RequestContext): options is RequestContext {
  return typeof (options as Partial<RequestContext> | null)?.attach === 'function'
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
