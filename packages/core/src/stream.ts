import { InputError } from './errors.ts'
import { abortError, type RequestOptions } from './request-options.ts'

export interface StreamOptions<I> {
  /** Inputs alive at once: pulled from the source and not yet handed to the consumer. Default 8. */
  readonly maxInFlight?: number
  /** Results in the order of their inputs (default), or as they come. */
  readonly ordered?: boolean
  /** Deadline of each input, counted from the moment it was pulled. */
  readonly deadlineMs?: number
  readonly priority?: number
  /** Ends the stream: what is in flight is aborted, and the iteration throws an AbortError. */
  readonly signal?: AbortSignal
  /**
   * Called when an input fails: 'skip' leaves it out of the results and goes on, 'throw' (default) ends the stream with
   * the error.
   */
  readonly onError?: (error: unknown, input: I, index: number) => 'skip' | 'throw'
}

type Slot<O> =
  | { state: 'running' }
  | { state: 'done'; value: O }
  | { state: 'failed'; error: unknown }
  | { state: 'skipped' }

/** Runs `work` over a source with bounded concurrency; the pump goes on while the consumer is busy. */
export async function* stream<I, O>(
  work: (input: I, request: RequestOptions) => Promise<O>,
  source: Iterable<I> | AsyncIterable<I>,
  options: StreamOptions<I>,
): AsyncGenerator<O, void, undefined> {
  const { maxInFlight = 8, ordered = true, onError = () => 'throw' } = options
  if (!Number.isSafeInteger(maxInFlight) || maxInFlight < 1) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected a positive integer as maxInFlight, got ${String(maxInFlight)}.`,
      remedy: 'Use a small multiple of the contexts, for example 8.',
      received: maxInFlight,
    })
  }
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  const controller = new AbortController()
  const signal = options.signal ? AbortSignal.any([controller.signal, options.signal]) : controller.signal
  const request: RequestOptions = {
    signal,
    ...(options.deadlineMs !== undefined && { deadlineMs: options.deadlineMs }),
    ...(options.priority !== undefined && { priority: options.priority }),
  }
  const slots: Slot<O>[] = [] // in input order
  const running = new Set<Promise<void>>()
  let pulling: Promise<void> | undefined
  let sourceState: { done: boolean; error?: { value: unknown } } = { done: false }
  let count = 0
  let wake = () => {}

  const start = (input: I) => {
    const index = count++
    const slot: Slot<O> = { state: 'running' }
    slots.push(slot)
    const task = work(input, request)
      .then(
        (value) => Object.assign(slot, { state: 'done', value }),
        (error) => {
          const decision = signal.aborted ? 'throw' : onError(error, input, index)
          Object.assign(slot, decision === 'skip' ? { state: 'skipped' } : { state: 'failed', error })
        },
      )
      // Only `onError` itself can throw here: then that is what the consumer gets.
      .catch((error: unknown) => Object.assign(slot, { state: 'failed', error }))
      .then(() => {
        running.delete(task)
        wake()
      })
    running.add(task)
  }
  const pump = () => {
    if (sourceState.done || pulling || slots.length >= maxInFlight || signal.aborted) return
    pulling = pull()
  }
  const pull = async () => {
    try {
      const next = await iterator.next()
      if (next.done) sourceState = { done: true }
      else if (!signal.aborted) start(next.value)
    } catch (value) {
      sourceState = { done: true, error: { value } }
    }
    pulling = undefined
    wake()
    pump()
  }
  /** Takes the next slot that is settled, in order if that was asked for. */
  const take = (): Slot<O> | undefined => {
    const index = ordered ? 0 : slots.findIndex((slot) => slot.state !== 'running')
    const slot = slots[index]
    if (!slot || slot.state === 'running') return undefined
    slots.splice(index, 1)
    return slot
  }

  const onAbort = () => wake()
  signal.addEventListener('abort', onAbort)
  try {
    for (;;) {
      pump()
      const slot = take()
      if (slot?.state === 'done') yield slot.value
      else if (slot?.state === 'failed') throw slot.error
      else if (slot) continue
      else if (signal.aborted && running.size === 0) throw abortError(signal, 'while the stream ran')
      else if (sourceState.done && slots.length === 0) {
        if (sourceState.error) throw sourceState.error.value
        return
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    controller.abort()
    // A source that waits for its next item is told to end, but not waited for: it may never answer.
    if (!sourceState.done) void Promise.resolve(iterator.return?.()).catch(() => {})
    await Promise.all(running)
  }
}
