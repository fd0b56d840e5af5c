import { setImmediate as nextTurn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import {
  BackendError,
  type ModelSource,
  messageOf,
  onAbort,
  readModel,
  stampOf,
  throwIfAborted,
  workAborted,
} from '@lowlat/core'
import { decodeModel, externalFiles } from '@lowlat/onnx'
import type { ModelBytes } from '../native.ts'
import { type ErrorRecord, errorFrom } from './error-record.ts'
import { type BuildSource, readSource, type SourceOptions } from './source.ts'

export interface SourceRequest {
  readonly source: ModelSource
  readonly options: SourceOptions
}

export type SourceReply =
  | (Omit<BuildSource, 'model'> & {
      readonly ok: true
      /** Undefined where it is that of the request. */
      readonly model: ModelBytes | undefined
    })
  | { readonly ok: false; readonly error: ErrorRecord }

const built = import.meta.url.endsWith('.js')
const entry = new URL(built ? './source-thread.js' : '../testing/source-thread.mjs', import.meta.url)
const execArgv = built ? [] : ['--conditions=@lowlat/source']

/** Models of fewer bytes are read sooner than a thread starts. */
const SMALL_BYTES = 64 * 1024

/**
 * `readSource` without holding up the event loop.
 * @param work what errors say was aborted.
 * @throws (as rejection) as `readSource`; AbortError; BackendError WORKER_DIED.
 */
export async function readAside(
  source: ModelSource,
  options: SourceOptions,
  work: string,
  signal?: AbortSignal,
): Promise<BuildSource> {
  return (await isSmall(source)) ? readSource(source, options) : readInThread(source, options, work, signal)
}

async function isSmall(source: ModelSource): Promise<boolean> {
  const { sizeBytes } = source.kind === 'bytes' ? { sizeBytes: source.bytes.byteLength } : await stampOf(source.path)
  if (sizeBytes > SMALL_BYTES) return false
  const weights = await externalFiles(decodeModel(await readModel(source)), source)
  return weights.length === 0
}

/**
 * `readSource` in a thread of its own, which an abort ends at once: to convert the weights of a large model takes seconds.
 * Bytes are copied once on the way there, and not on the way back.
 */
async function readInThread(
  source: ModelSource,
  options: SourceOptions,
  work: string,
  signal: AbortSignal | undefined,
): Promise<BuildSource> {
  const shared = source.kind === 'bytes' ? { ...source, bytes: await shareBytes(source.bytes) } : source
  throwIfAborted(signal, work)
  const request: SourceRequest = { source: shared, options }
  const worker = new Worker(entry, { execArgv, workerData: request })
  try {
    const reply = await answerOf(worker, signal, work)
    if (!reply.ok) throw errorFrom(reply.error)
    const { description, dependencies } = reply
    return { model: reply.model ?? modelFrom(source), description, dependencies }
  } finally {
    await worker.terminate()
  }
}

const modelFrom = (source: ModelSource): ModelBytes =>
  source.kind === 'bytes' ? { bytes: source.bytes } : { path: source.path }

function answerOf(worker: Worker, signal: AbortSignal | undefined, work: string): Promise<SourceReply> {
  return new Promise<SourceReply>((resolve, reject) => {
    const unwatch = signal && onAbort(signal, () => reject(workAborted(signal, work)))
    worker.once('message', resolve)
    worker.once('messageerror', (error) => reject(died(error)))
    worker.once('error', (error) => reject(died(error)))
    worker.once('exit', (code) => {
      unwatch?.()
      reject(died(`exit code ${code}`)) // where nothing else came before
    })
  })
}

const SLICE_BYTES = 1 << 20

/** A copy that threads can share, made in steps that leave the event loop responsive. */
async function shareBytes(bytes: Uint8Array): Promise<Uint8Array> {
  if (bytes.buffer instanceof SharedArrayBuffer) return bytes
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.byteLength))
  for (let start = 0; start < bytes.byteLength; start += SLICE_BYTES) {
    shared.set(bytes.subarray(start, start + SLICE_BYTES), start)
    await nextTurn()
  }
  return shared
}

function died(cause: unknown): BackendError {
  return new BackendError('WORKER_DIED', {
    message: `The thread that read the model died: ${messageOf(cause)}.`,
    remedy: 'Try again; if it persists, look at the memory limit, or convert the model to float16 beforehand.',
    cause,
  })
}
