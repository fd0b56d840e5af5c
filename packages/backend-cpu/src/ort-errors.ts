import { BackendError, isLowlatError, ModelError, messageOf } from '@lowlat/core'

/** What ONNX Runtime's messages mean, first match wins; it has no error codes in JavaScript. */
const meanings = [
  [/bad_alloc|failed to allocate|out of memory/i, 'OUT_OF_MEMORY'],
  [
    /could not find an implementation|not_implemented|unsupported model ir version|is not a registered function|no op registered for|opset .* is under development/i,
    'MODEL_UNSUPPORTED',
  ],
] as const

function codeFor<F extends string>(error: unknown, otherwise: F): (typeof meanings)[number][1] | F {
  return meanings.find(([pattern]) => pattern.test(messageOf(error)))?.[1] ?? otherwise
}

/** The library's words without its status prefix and source location. */
function wordsOf(error: unknown): string {
  return messageOf(error).replace(/\s+/g, ' ').trim().replace(/\.?$/, '.')
}

/** A failure to compile a model, as a typed error. */
export function compileError(error: unknown): unknown {
  if (isLowlatError(error)) return error
  const code = codeFor(error, 'MODEL_INVALID')
  if (code === 'OUT_OF_MEMORY') return memoryError(error)
  return new ModelError(code, {
    message: `ONNX Runtime cannot ${code === 'MODEL_INVALID' ? 'read' : 'run'} the model: ${wordsOf(error)}`,
    remedy:
      code === 'MODEL_INVALID'
        ? 'Check that the file is a complete ONNX model; export or copy it again.'
        : 'Export with a lower opset or without the operator, or use another backend.',
    cause: error,
  })
}

/** A failure to load a plan, at the start or in a worker that replaces another one. */
export function loadError(error: unknown): unknown {
  if (isLowlatError(error)) return error
  if (codeFor(error, 'PLAN_INVALID') === 'OUT_OF_MEMORY') return memoryError(error)
  return new ModelError('PLAN_INVALID', {
    message: `ONNX Runtime cannot load the compiled plan: ${wordsOf(error)}`,
    remedy:
      "Compile the model again; where the plan's file went while a session ran, put it back or open a new session.",
    cause: error,
  })
}

export function runError(error: unknown): unknown {
  if (isLowlatError(error)) return error
  if (codeFor(error, 'RUN_FAILED') === 'OUT_OF_MEMORY') return memoryError(error)
  return new BackendError('RUN_FAILED', {
    message: `ONNX Runtime failed to run the model: ${wordsOf(error)}`,
    remedy: 'Check the values of the inputs (indices in range, lengths above 0); the session goes on working.',
    cause: error,
  })
}

function memoryError(cause: unknown): BackendError {
  return new BackendError('OUT_OF_MEMORY', {
    message: `ONNX Runtime ran out of memory: ${wordsOf(cause)}`,
    remedy: 'Use smaller batches or shapes, fewer workers, or a machine with more memory.',
    cause,
  })
}
