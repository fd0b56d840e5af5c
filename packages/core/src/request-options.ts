import { onAbort } from './abort.ts'
import type { Clock } from './clock.ts'
import { AbortError, DeadlineError } from './errors.ts'
import { checkOptions, durationRule, finiteRule, type RulesFor, signalRule, timelineRule, timeRule } from './options.ts'
import { RequestContext } from './request.ts'
import { Timeline } from './timeline.ts'

/** How a single request wants to be treated; the same for sessions, batchers and pipelines. */
export interface RequestOptions {
  /** Milliseconds from now by which the result is needed; later it is rejected with DEADLINE_EXCEEDED. */
  readonly deadlineMs?: number
  readonly signal?: AbortSignal
  /** Higher runs earlier among those that wait; 0 by default. */
  readonly priority?: number
  /** Receives the spans of this request; a new one by default. */
  readonly timeline?: Timeline
}

/** What a queued or running request is bound to. */
export interface RequestBounds {
  readonly signal?: AbortSignal | undefined
  readonly deadlineUs?: number | undefined
  readonly priority?: number
}

export const requestRules: RulesFor<RequestOptions> = {
  deadlineMs: durationRule,
  signal: signalRule,
  priority: finiteRule,
  timeline: timelineRule,
}

export const boundsRules: RulesFor<RequestBounds> = {
  signal: signalRule,
  deadlineUs: timeRule,
  priority: finiteRule,
}

/**
 * `rules` where more options are known than those of every request.
 * @throws InputError INVALID_ARGUMENT for an option that is unknown or of the wrong type.
 */
export function requestContextFrom(
  options: RequestOptions,
  clock: Clock,
  rules: RulesFor<RequestOptions> = requestRules,
): RequestContext {
  checkOptions('request options', options, rules)
  const { deadlineMs, signal, priority, timeline } = options
  const nowUs = clock.nowUs()
  return new RequestContext({
    timeline: timeline ?? new Timeline(nowUs),
    ...(signal && { signal }),
    ...(deadlineMs !== undefined && Number.isFinite(deadlineMs) && { deadlineUs: nowUs + deadlineMs * 1000 }),
    ...(priority !== undefined && { priority }),
  })
}

/** Whether the deadline has passed; a timer that is due may still wait for its turn. */
export function isLate({ deadlineUs }: RequestBounds, nowUs: number): boolean {
  return deadlineUs !== undefined && nowUs >= deadlineUs
}

/** @throws AbortError or DeadlineError when the request is over before it starts. */
export function checkBounds(bounds: RequestBounds, clock: Clock, where: string): void {
  const { signal, deadlineUs } = bounds
  if (signal?.aborted) throw abortError(signal, where)
  if (deadlineUs !== undefined && isLate(bounds, clock.nowUs())) throw deadlineError(where)
}

export function abortError(signal: AbortSignal, where: string): AbortError {
  return new AbortError({
    message: `The request was aborted by its signal ${where}.`,
    remedy: 'Nothing to mend: the caller asked for it.',
    cause: signal.reason,
  })
}

export function deadlineError(where: string): DeadlineError {
  return new DeadlineError('DEADLINE_EXCEEDED', {
    message: `The deadline passed ${where}.`,
    remedy: 'Allow more time, send fewer requests at once, or add contexts.',
    details: { where },
  })
}

/**
 * Watches a request's signal and deadline: calls `onOver` at most once, with the error to reject with. `where` is
 * asked at that moment ('in the queue', 'while it ran'). Returns the function that stops watching.
 */
export function watchBounds(
  { signal, deadlineUs }: RequestBounds,
  clock: Clock,
  where: () => string,
  onOver: (error: AbortError | DeadlineError) => void,
): () => void {
  if (!signal && deadlineUs === undefined) return () => {}
  const over = (error: AbortError | DeadlineError) => {
    stop()
    onOver(error)
  }
  const timer =
    deadlineUs === undefined
      ? undefined
      : clock.setTimer(deadlineUs - clock.nowUs(), () => over(deadlineError(where())))
  const stopListening = signal && onAbort(signal, () => over(abortError(signal, where())))
  const stop = () => {
    timer?.cancel()
    stopListening?.()
  }
  return stop
}

/** The promise's own outcome, or the abort or deadline error if that comes first; the work itself goes on. */
export function settleWithin<T>(
  promise: PromiseLike<T>,
  bounds: RequestBounds,
  clock: Clock,
  where: string,
): PromiseLike<T> {
  if (!bounds.signal && bounds.deadlineUs === undefined) return promise
  return new Promise<T>((resolve, reject) => {
    // The work itself may have aborted its signal, which does not fire again for those who come later.
    if (bounds.signal?.aborted) reject(abortError(bounds.signal, where))
    const stop = watchBounds(bounds, clock, () => where, reject)
    promise.then(
      (value) => {
        stop()
        resolve(value)
      },
      (error) => {
        stop()
        reject(error)
      },
    )
  })
}
