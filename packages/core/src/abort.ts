import { AbortError } from './errors.ts'

interface Watch {
  readonly callbacks: Set<() => void>
  readonly listener: () => void
}

const watches = new WeakMap<AbortSignal, Watch>()

/**
 * Calls back once when the signal fires. Returns the function that stops watching. However many watch a signal, it gets
 * one listener: requests share signals, and Node warns of a leak from the eleventh listener on.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const watch = watches.get(signal) ?? startWatching(signal)
  watch.callbacks.add(callback)
  return () => {
    if (!watch.callbacks.delete(callback) || watch.callbacks.size > 0) return
    signal.removeEventListener('abort', watch.listener)
    watches.delete(signal)
  }
}

function startWatching(signal: AbortSignal): Watch {
  const callbacks = new Set<() => void>()
  const listener = () => {
    for (const callback of callbacks) callback()
  }
  const watch = { callbacks, listener }
  signal.addEventListener('abort', listener, { once: true }) // first: what is no signal throws here and leaves no trace
  watches.set(signal, watch)
  return watch
}

/**
 * Between two steps of long work.
 * @param work what is aborted: 'Compiling the model'.
 * @throws AbortError once the caller's signal has fired.
 */
export function throwIfAborted(signal: AbortSignal | undefined, work: string): void {
  if (signal?.aborted) throw workAborted(signal, work)
}

/** For work that the caller's signal ends. @param work as of {@link throwIfAborted}. */
export function workAborted({ reason }: AbortSignal, work: string): AbortError {
  return new AbortError({
    message: `${work} was aborted by its signal.`,
    remedy: 'Nothing to mend: the caller asked for it.',
    cause: reason,
  })
}
