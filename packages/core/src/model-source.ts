import { createHash } from 'node:crypto'
import { type FileHandle, open, readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { FileStamp, ModelSource } from './contract.ts'
import { describeValue, InputError, ModelError, messageOf } from './errors.ts'
import { checkArgument, type Rule } from './options.ts'

/** A model as users name it: a path, a file URL, or ONNX bytes. */
export type ModelInput = string | URL | Uint8Array | ArrayBuffer

/** @throws ModelError MODEL_NOT_FOUND, MODEL_INVALID (empty); InputError INVALID_ARGUMENT for anything else. */
export async function modelSourceFrom(model: ModelInput): Promise<ModelSource> {
  if (model instanceof ArrayBuffer || model instanceof Uint8Array) {
    const bytes = model instanceof ArrayBuffer ? new Uint8Array(model) : model
    if (bytes.byteLength === 0) throw emptyModel('the bytes')
    return { kind: 'bytes', bytes }
  }
  if (typeof model !== 'string' && !(model instanceof URL)) {
    throw noModel(model)
  }
  if (model === '') throw noModel(model)
  const path = pathFrom(model)
  const { sizeBytes } = await stampOf(path)
  if (sizeBytes === 0) throw emptyModel(path)
  return { kind: 'file', path }
}

/**
 * The absolute path of a file, from a path or a file URL (also as text, 'file:///models/a.onnx'). Relative paths start
 * at `folder`. @throws InputError INVALID_ARGUMENT for URLs of other kinds, and for anything else.
 */
export function pathFrom(file: string | URL, folder = ''): string {
  try {
    return resolve(folder, file instanceof URL || urlPattern.test(file) ? fileURLToPath(file) : file)
  } catch (cause) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected a path or a URL of a local file, got ${file instanceof URL ? `'${file}'` : describeValue(file)}.`,
      remedy: 'Download the file first and pass its path.',
      received: file,
      cause,
    })
  }
}

/** Two letters at least, since `C:` is a drive. */
const urlPattern = /^[a-z][a-z\d+.-]+:\/\//i

function noModel(received: unknown): InputError {
  return new InputError('INVALID_ARGUMENT', {
    message: `Expected a model as path, file URL or bytes, got ${describeValue(received)}.`,
    remedy: "Pass for example 'model.onnx' or a Uint8Array with the file's content.",
    received,
  })
}

function emptyModel(what: string): ModelError {
  return new ModelError('MODEL_INVALID', {
    message: `Expected an ONNX model, but ${what} ${what === 'the bytes' ? 'are' : 'is'} empty.`,
    remedy: 'Export the model again, and check that the download or copy was completed.',
    received: 0,
  })
}

const pathRule: Rule = { expected: 'the path of a file', accepts: (value) => typeof value === 'string' }

/** @throws ModelError MODEL_NOT_FOUND when there is no such regular file; InputError INVALID_ARGUMENT for what is no path. */
export async function stampOf(path: string): Promise<FileStamp> {
  checkArgument('path', path, pathRule)
  const found = await stat(path, { bigint: true }).catch((cause: unknown) => {
    throw notFound(path, messageOf(cause), cause)
  })
  if (!found.isFile()) throw notFound(path, 'not a regular file')
  return { path, sizeBytes: Number(found.size), modifiedNs: found.mtimeNs.toString() }
}

/** The bytes of a model; not a copy of those that are there. @throws ModelError MODEL_NOT_FOUND. */
export async function readModel(source: ModelSource): Promise<Uint8Array> {
  if (source.kind === 'bytes') return source.bytes
  return readFile(source.path).catch((cause: unknown) => {
    throw notFound(source.path, messageOf(cause), cause)
  })
}

export function sameStamp(a: FileStamp, b: FileStamp): boolean {
  return a.sizeBytes === b.sizeBytes && a.modifiedNs === b.modifiedNs
}

/** Whether the file is what it was, as far as its size and modification time tell. @throws ModelError MODEL_NOT_FOUND. */
export async function isUnchanged(stamp: FileStamp): Promise<boolean> {
  return sameStamp(await stampOf(stamp.path), stamp)
}

function notFound(path: string, reason: string, cause?: unknown): ModelError {
  return new ModelError('MODEL_NOT_FOUND', {
    message: `Cannot open the file '${path}': ${reason}.`,
    remedy: 'Check the path; relative paths start at the working directory (in a JSON file: at its folder).',
    received: path,
    cause,
  })
}

const sourceRule: Rule = {
  expected: "a model source { kind: 'file', path } or { kind: 'bytes', bytes }",
  accepts(value) {
    const { kind, path, bytes } = (value ?? {}) as { kind?: unknown; path?: unknown; bytes?: unknown }
    return kind === 'file' ? pathRule.accepts(path) : kind === 'bytes' && bytes instanceof Uint8Array
  },
}

const CHUNK_BYTES = 1 << 20

/**
 * SHA-256 of a file or of bytes, in steps short enough to leave the event loop responsive.
 * @throws ModelError MODEL_NOT_FOUND; InputError INVALID_ARGUMENT for what is no source.
 */
export async function sha256Of(source: ModelSource): Promise<string> {
  checkArgument('source', source, sourceRule)
  const hash = createHash('sha256')
  if (source.kind === 'bytes') {
    for (let start = 0; start < source.bytes.length; start += CHUNK_BYTES) {
      hash.update(source.bytes.subarray(start, start + CHUNK_BYTES))
      await nextTurn()
    }
    return hash.digest('hex')
  }
  let file: FileHandle | undefined
  try {
    file = await open(source.path)
    const chunk = new Uint8Array(CHUNK_BYTES)
    for (;;) {
      const { bytesRead } = await file.read(chunk)
      if (bytesRead === 0) return hash.digest('hex')
      hash.update(chunk.subarray(0, bytesRead))
    }
  } catch (cause) {
    throw notFound(source.path, messageOf(cause), cause)
  } finally {
    await file?.close()
  }
}
