import {
  AbortError,
  BackendError,
  ConfigError,
  DisposedError,
  InputError,
  isLowlatError,
  type LowlatError,
  ModelError,
  messageOf,
} from '@lowlat/core'
import { errorFromCall } from '@lowlat/cuda-driver'
import type { LogMessage, ParserError } from './native.ts'

/** What the addon throws: an Error with a code, and with these fields as far as they are known. */
interface NativeError extends Error {
  readonly code: string
  readonly library?: string
  readonly tried?: readonly string[]
  readonly reason?: string
  readonly symbol?: string
  readonly version?: string
  readonly since?: string
  readonly flag?: string
  readonly weights?: string
  readonly call?: string
  readonly result?: number
  readonly path?: string
  /** Of the parser; texts of TensorRT's error recorder for all other calls. */
  readonly errors?: readonly ParserError[] | readonly string[]
  readonly log?: readonly LogMessage[]
}

const isNativeError = (error: unknown): error is NativeError =>
  error instanceof Error && 'code' in error && typeof error.code === 'string'

/** Calls the addon. @throws LowlatError for what it throws. */
export function calling<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw errorFromNative(error)
  }
}

/** Awaits the addon. @throws (as rejection) LowlatError for what it rejects with. */
export async function awaiting<T>(promise: Promise<T> | (() => Promise<T>)): Promise<T> {
  try {
    return await (typeof promise === 'function' ? promise() : promise)
  } catch (error) {
    throw errorFromNative(error)
  }
}

/** What the addon threw, as an error of ours; anything else as it is. */
export function errorFromNative(error: unknown): unknown {
  if (isLowlatError(error)) return error
  if (!isNativeError(error)) return error
  return makers[error.code]?.(error) ?? error
}

const makers: Readonly<Record<string, (error: NativeError) => LowlatError>> = {
  LIBRARY_MISSING: (error) => {
    const tried = error.tried ?? []
    const what = error.library ?? 'TensorRT'
    return new BackendError('BACKEND_UNAVAILABLE', {
      message: `${what} cannot be loaded (tried ${tried.join(', ')}): ${error.reason ?? messageOf(error)}.`,
      remedy: `Install ${/cuda/i.test(what) ? "NVIDIA's driver" : 'TensorRT 10 or 11'}, put its folder into LD_LIBRARY_PATH, or name the file in ${knobOf(what)}.`,
      received: tried,
      details: { missing: what, tried },
      cause: error,
    })
  },
  SYMBOL_MISSING: (error) =>
    new BackendError('BACKEND_UNAVAILABLE', {
      message: `The library '${error.library}' lacks the function ${error.symbol}: it is not TensorRT, or not all of it.`,
      remedy: 'Install TensorRT 10 or 11 anew (the full one, not the lean or dispatch runtime), or name another file.',
      received: error.library,
      details: { symbol: error.symbol },
      cause: error,
    }),
  VERSION_UNSUPPORTED: (error) =>
    new BackendError('BACKEND_UNAVAILABLE', {
      message: `Expected TensorRT 10 or 11, got ${error.version}.`,
      remedy:
        'Install one of these beside it and name its library in LOWLAT_NVINFER_LIB, or update @lowlat/backend-trt.',
      expected: [10, 11],
      received: error.version,
      cause: error,
    }),
  PARSE_FAILED: (error) => {
    const errors = error.errors?.filter((each) => typeof each !== 'string') ?? []
    return new ModelError('MODEL_UNSUPPORTED', {
      message: `TensorRT's parser refuses the model: ${describeParserErrors(errors) || messageOf(error)}.`,
      remedy: "Change the model (details.errors names every node), bring a plugin for it, or use the backend 'cpu'.",
      details: { errors, log: error.log ?? [] },
      cause: error,
    })
  },
  BUILD_FAILED: (error) =>
    new ModelError('MODEL_UNSUPPORTED', {
      message: `TensorRT cannot build an engine for the model: ${lastWords(error)}.`,
      remedy: "See the builder's log in details.log; more workspaceMB, other profiles or another precision may do.",
      details: { log: error.log ?? [] },
      cause: error,
    }),
  CANCELLED: (error) =>
    new AbortError({
      message: 'The build was cancelled.',
      remedy: 'Nothing to mend: the caller asked for it.',
      cause: error,
    }),
  OUT_OF_MEMORY: (error) =>
    new BackendError('OUT_OF_MEMORY', {
      message: `TensorRT has not enough memory: ${lastWords(error)}.`,
      remedy:
        'Lower the max of the profiles, workspaceMB or the number of contexts, share their memory (sharedMemory: true), or use a GPU with more free memory.',
      details: { call: error.call, log: error.log ?? [] },
      cause: error,
    }),
  FLAG_UNSUPPORTED: (error) =>
    new ConfigError('CONFIG_INVALID', {
      message: `TensorRT ${error.version} does not know '${error.flag}'.`,
      remedy: 'Leave it out; docs/tensorrt.md says which version knows what.',
      received: error.flag,
      cause: error,
    }),
  WEIGHTS_UNKNOWN: (error) =>
    new ConfigError('CONFIG_INVALID', {
      message: `Expected refitWeights that the model has, but it has no '${error.weights}'.`,
      remedy: 'Take the names of initializers of the ONNX model.',
      received: error.weights,
      cause: error,
    }),
  PROFILE_INVALID: (error) =>
    new ConfigError('PROFILE_INVALID', {
      message: `TensorRT refuses a profile: ${lastWords(error)}.`,
      remedy: "Give min <= opt <= max for each input with run-time sizes; fixed axes keep the model's size.",
      details: { log: error.log ?? [] },
      cause: error,
    }),
  PLUGIN_FAILED: (error) =>
    new ConfigError('CONFIG_INVALID', {
      message: `TensorRT cannot load the plugins of '${error.library}': ${lastWords(error)}.`,
      remedy: 'Check the path, and that the library was built for this major version of TensorRT.',
      received: error.library,
      cause: error,
    }),
  CALL_UNAVAILABLE: (error) =>
    new BackendError('BACKEND_UNAVAILABLE', {
      message: `TensorRT ${error.version} has no ${error.call}${error.since === undefined ? '' : `, which came with ${error.since}`}.`,
      remedy: 'Leave out the option that needs it, or install a newer TensorRT.',
      details: { call: error.call, since: error.since },
      cause: error,
    }),
  REFUSED: (error) =>
    new BackendError('RUN_FAILED', {
      message: `TensorRT's ${error.call} failed: ${lastWords(error)}.`,
      remedy: 'See details.log; if it says nothing that helps, report it with what was run.',
      details: { call: error.call, errors: error.errors ?? [], log: error.log ?? [] },
      cause: error,
    }),
  FILE_UNREADABLE: (error) =>
    new ModelError('MODEL_NOT_FOUND', {
      message: `${withoutFullStop(messageOf(error))}.`,
      remedy: 'Check the path and the permissions.',
      received: error.path,
      cause: error,
    }),
  CUDA_FAILED: (error) =>
    errorFromCall({ call: error.call ?? '', result: error.result ?? -1, name: 'CUresult', text: '', cause: error }),
  INVALID_ARGUMENT: (error) =>
    new InputError('INVALID_ARGUMENT', {
      message: `${withoutFullStop(messageOf(error))}.`,
      remedy: 'Check what was passed.',
      cause: error,
    }),
  IN_USE: (error) =>
    new BackendError('RUN_FAILED', {
      message: `${withoutFullStop(messageOf(error))}.`,
      remedy: 'Await the dispose() of what belongs to it.',
      cause: error,
    }),
  BUSY: (error) =>
    new BackendError('RUN_FAILED', {
      message: `${withoutFullStop(messageOf(error))}, so that ${error.call} has to wait.`,
      remedy: 'Await one call before the next one.',
      cause: error,
    }),
  DISPOSED: (error) =>
    new DisposedError({
      message: `${messageOf(error)}.`,
      remedy: 'Keep it until the last call that uses it.',
      cause: error,
    }),
}

function knobOf(library: string): string {
  if (/cuda/i.test(library)) return 'LOWLAT_CUDA_DRIVER_LIB'
  if (/parser/i.test(library)) return 'LOWLAT_NVONNXPARSER_LIB'
  return /plugin/i.test(library) ? 'LOWLAT_NVINFER_PLUGIN_LIB' : 'LOWLAT_NVINFER_LIB'
}

const SHOWN_ERRORS = 3

function describeParserErrors(errors: readonly ParserError[]): string {
  const shown = errors.slice(0, SHOWN_ERRORS).map(({ nodeName, nodeOperator, description, code }) => {
    const node = nodeOperator === '' ? '' : `node '${nodeName}' (${nodeOperator}): `
    return `${node}${withoutFullStop(description) || code}`
  })
  const more = errors.length - shown.length
  return shown.join('; ') + (more > 0 ? `; and ${more} more` : '')
}

/** The worst that was said last: TensorRT's calls themselves say only that they failed. */
function lastWords(error: NativeError): string {
  const recorded = error.errors?.filter((each) => typeof each === 'string').at(-1)
  const logged = error.log?.findLast(({ severity }) => severity === 'error' || severity === 'internal-error')
  return withoutFullStop(recorded ?? logged?.message ?? messageOf(error))
}

const withoutFullStop = (text: string) => text.trim().replace(/\.$/, '')
