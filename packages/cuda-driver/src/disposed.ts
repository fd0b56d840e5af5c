import { DisposedError } from '@lowlat/core'

/** What a call on an execution context that was disposed throws. */
export function contextDisposed(): DisposedError {
  return new DisposedError({
    message: 'The execution context was disposed.',
    remedy: 'Create a new one, or dispose it only after the last run has settled.',
  })
}

/** What a call on an engine that was disposed throws. */
export function engineDisposed(): DisposedError {
  return new DisposedError({
    message: 'The engine was disposed.',
    remedy: 'Load the plan again, or dispose the engine only when nobody needs contexts of it any more.',
  })
}
