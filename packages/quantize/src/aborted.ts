import { AbortError } from '@lowlat/core'

/** @throws AbortError between two steps of the work, once the caller's signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return
  throw new AbortError({
    message: 'Quantizing the model was aborted by its signal.',
    remedy: 'Nothing to mend: the caller asked for it.',
    cause: signal.reason,
  })
}
