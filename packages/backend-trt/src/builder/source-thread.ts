/** Entry of the thread that reads a model; see read-in-thread.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import type { ModelBytes } from '../native.ts'
import { recordOf } from './error-record.ts'
import type { SourceReply, SourceRequest } from './read-in-thread.ts'
import { readSource } from './source.ts'

const { source, options }: SourceRequest = workerData

try {
  const read = await readSource(source, options)
  const unchanged = source.kind === 'bytes' && 'bytes' in read.model && read.model.bytes === source.bytes
  const model = unchanged ? undefined : transferable(read.model)
  const { description, dependencies } = read
  const buffers = model && 'bytes' in model ? [model.bytes.buffer] : []
  reply({ ok: true, model, description, dependencies }, buffers)
} catch (error) {
  reply({ ok: false, error: recordOf(error) })
}

function reply(message: SourceReply, buffers: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, buffers)
}

/** Bytes that have their memory to themselves, so that the other thread can have it. */
function transferable(model: ModelBytes): { readonly path: string } | { readonly bytes: Uint8Array<ArrayBuffer> } {
  if ('path' in model) return model
  const { bytes } = model
  const isAlone = bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength
  return { bytes: isAlone ? new Uint8Array(bytes.buffer as ArrayBuffer) : new Uint8Array(bytes) }
}
