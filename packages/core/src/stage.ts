import type { Segment } from './contract.ts'
import type { RequestContext } from './request.ts'

/** One step of a pipeline: turns an input into an output, for one request at a time or for many at once. */
export interface Stage<I, O> {
  /** Shown in timelines and errors. */
  readonly name: string
  /** The segment that the stage's time counts under; stages that stamp the timeline themselves leave it out. */
  readonly segment?: Segment
  run(input: I, context: RequestContext): O | PromiseLike<O>
}

/** A stage, or simply a function. */
export type StageLike<I, O> = Stage<I, O> | ((input: I, context: RequestContext) => O | PromiseLike<O>)

export function stageFrom<I, O>(stage: StageLike<I, O>): Stage<I, O> {
  return typeof stage === 'function' ? { name: stage.name || 'stage', run: stage } : stage
}
