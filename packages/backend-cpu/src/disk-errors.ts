import { statfs } from 'node:fs/promises'
import { ConfigError, messageOf } from '@lowlat/core'

/** ONNX Runtime's words when the file of an optimised model cannot be written to its end. */
const UNWRITTEN = /Protobuf serialization failed/

/**
 * `action`, which writes into `folder`, with failures for want of space as an error that says so.
 * @throws ConfigError CONFIG_INVALID; whatever else `action` throws.
 */
export async function writingTo<T>(folder: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    const why = code === 'ENOSPC' || code === 'EDQUOT' ? messageOf(error) : UNWRITTEN.exec(messageOf(error))?.[0]
    if (why === undefined) throw error
    throw noSpace(folder, await freeBytes(folder), why, error)
  }
}

/** Undefined where the folder's file system does not say. */
async function freeBytes(folder: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  } catch {
    return undefined // the error that led here is the one to report
  }
}

function noSpace(folder: string, freeBytes: number | undefined, why: string, cause: unknown): ConfigError {
  const free = freeBytes === undefined ? 'unknown space' : `${(freeBytes / 2 ** 20).toFixed(1)} MiB`
  return new ConfigError('CONFIG_INVALID', {
    message: `Expected room for the compiled plan in '${folder}', but it cannot be written (${free} free): ${why}.`,
    remedy:
      'Free some space (three times the size of the model is enough), or choose a folder on another disk: LOWLAT_CACHE_DIR, or TMPDIR without a cache.',
    received: freeBytes,
    details: { folder, freeBytes },
    cause,
  })
}
