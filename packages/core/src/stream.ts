import { onAbort } from './abort.ts'
import {
  booleanRule,
  checkArgument,
  checkOptions,
  functionRule,
  integerRule,
  type Rule,
  type RulesFor,
} from './options.ts'
import { abortError, type RequestOptions, requestRules } from './request-options.ts'

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

const { timeline: _, ...sharedRules } = requestRules
const streamRules: RulesFor<StreamOptions<unknown>> = {
  ...sharedRules,
  maxInFlight: integerRule(1),
  ordered: booleanRule,
  onError: functionRule,
}

const sourceRule: Rule = {
  expected: 'an array, a generator, a stream, or anything else that `for await` takes',
  accepts: (value) => {
    const { [Symbol.iterator]: sync, [Symbol.asyncIterator]: async } = Object(value) as Record<symbol, unknown>
    return typeof sync === 'function' || typeof async === 'function'
  },
}

/**
 * Runs `work` over a source with bounded concurrency; the pump goes on while the consumer is busy.
 * @throws InputError INVALID_ARGUMENT for what cannot be iterated, and for an option that is unknown or invalid.
 */
export function stream<I, O>(
  work: (input: I, request: RequestOptions) => Promise<O>,
  source: Iterable<I | PromiseLike<I>> | AsyncIterable<I>,
  options: StreamOptions<I>,
): AsyncGenerator<O, void, undefined> {
  checkArgument('source', source, sourceRule)
  checkOptions('stream options', options, streamRules)
  return pump(work, source, options)
}

async function* pump<I, O>(
  work: (input: I, request: RequestOptions) => Promise<O>,
  source: Iterable<I | PromiseLike<I>> | AsyncIterable<I>,
  options: StreamOptions<I>,
): AsyncGenerator<O, void, undefined> {
  const { maxInFlight = 8, ordered = true, onError = () => 'throw' } = options
  const iterator = openSource(source)
  const controller = new AbortController()
  const { signal } = controller
  const request: RequestOptions = {
    signal,
    ...(options.deadlineMs !== undefined && { deadlineMs: options.deadlineMs }),
    ...(options.priority !== undefined && { priority: options.priority }),
  }
  const slots: Slot<O>[] = [] // in input order
  const running = new Set<Promise<void>>()
  let pulling = false
  let handing: 0 | 1 = 0
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
  const fill = () => {
    if (!sourceState.done && !pulling && slots.length + handing < maxInFlight && !signal.aborted) void pull()
  }
  const pull = async () => {
    pulling = true
    try {
      const next = await iterator.next()
      if (next.done) sourceState = { done: true }
      else if (!signal.aborted) start(next.value)
    } catch (value) {
      sourceState = { done: true, error: { value } }
    }
    pulling = false
    wake()
    fill()
  }
  /** Takes the next slot that is settled, in order if that was asked for. */
  const take = (): Slot<O> | undefined => {
    const index = ordered ? 0 : slots.findIndex((slot) => slot.state !== 'running')
    const slot = slots[index]
    if (!slot || slot.state === 'running') return undefined
    slots.splice(index, 1)
    return slot
  }

  const abort = () => {
    controller.abort(options.signal?.reason)
    wake()
  }
  if (options.signal?.aborted) abort()
  const stopListening = options.signal && onAbort(options.signal, abort)
  let failed = true
  try {
    for (;;) {
      fill()
      const slot = take()
      if (slot?.state === 'done') {
        // The value counts until the consumer has it; then the pump goes on, even while the consumer is busy.
        handing = 1
        const handed = setImmediate(() => {
          handing = 0
          fill()
        })
        failed = false
        yield slot.value
        failed = true
        clearImmediate(handed)
        handing = 0
      } else if (slot?.state === 'failed') throw slot.error
      else if (slot) continue
      else if (signal.aborted && running.size === 0) throw abortError(signal, 'while the stream ran')
      else if (sourceState.done && slots.length === 0) {
        if (sourceState.error) throw sourceState.error.value
        failed = false
        return
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  } finally {
    stopListening?.()
    controller.abort()
    await Promise.all(running)
    if (!sourceState.done) {
      const closing = closeSource(iterator, pulling || failed)
      // A source that still waits for its next item may never answer: it is told to end, but not waited for.
      if (!pulling) await closing
    }
  }
}

function openSource<I>(source: Iterable<I | PromiseLike<I>> | AsyncIterable<I>): AsyncIterator<I> {
  // `in` would refuse strings, which are iterable too.
  if (typeof source !== 'string' && Symbol.asyncIterator in source) return source[Symbol.asyncIterator]()
  return awaited(source)
}

/** As `for await` takes a synchronous source: promised items are waited for. */
async function* awaited<I>(source: Iterable<I | PromiseLike<I>>): AsyncGenerator<I, void, undefined> {
  for (const item of source) yield item as I // `yield` awaits here
}

/** Tells the source to end. As in `for await`, its error must not hide the one that ended the stream. */
async function closeSource(iterator: AsyncIterator<unknown>, quiet: boolean): Promise<void> {
  try {
    await iterator.return?.()
  } catch (error) {
    if (!quiet) throw error
  }
}
