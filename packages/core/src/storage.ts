import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError, LowlatError, messageOf } from './errors.ts'

/** A place on disk for plans, as errors speak of it. */
export interface Storage {
  /** What it is: 'plan cache'. */
  readonly name: string
  readonly folder: string
  /** What to do when it cannot be written. */
  readonly remedy: string
}

/**
 * Runs what writes to a storage. @throws ConfigError CONFIG_INVALID with
 * `details.storage`, the folder, in place of the file system's own errors.
 */
export async function writingTo<T>(storage: Storage, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    if (codeOf(error) === undefined || error instanceof LowlatError) throw error
    throw unwritable(storage, messageOf(error), error)
  }
}

/**
 * Runs a compiler, which writes to `workFolder`. A full disk fails it in ways of its own (native code speaks of broken
 * models), so that a failure is laid to the disk where that takes no more bytes.
 * @throws ConfigError CONFIG_INVALID for a full disk; whatever `compile` throws.
 */
export async function compilingIn<T>(storage: Storage, workFolder: string, compile: () => Promise<T>): Promise<T> {
  try {
    return await compile()
  } catch (error) {
    if (isFull(error) || isFull(await failureToWrite(workFolder))) throw unwritable(storage, 'the disk is full', error)
    throw error
  }
}

/** More than what may be left over in the last block. */
const PROBE_BYTES = 1 << 16

function failureToWrite(folder: string): Promise<unknown> {
  return writeFile(join(folder, 'probe'), new Uint8Array(PROBE_BYTES)).catch((error: unknown) => error)
}

function unwritable({ name, folder, remedy }: Storage, reason: string, cause: unknown): ConfigError {
  return new ConfigError('CONFIG_INVALID', {
    message: `The ${name} '${folder}' cannot be written: ${reason}.`,
    remedy,
    received: folder,
    details: { storage: folder },
    cause,
  })
}

function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(String(codeOf(error)))
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** There is no such file. ENOTDIR: a file stands where its folder should be. */
export const isMissing = (error: unknown) => ['ENOENT', 'ENOTDIR'].includes(String(codeOf(error)))
export const isOccupied = (error: unknown) => ['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(String(codeOf(error)))

/** For `catch`: undefined in place of a file that is missing. */
export function ifMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error
}
