import { randomUUID } from 'node:crypto'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'

export interface NewFile {
  readonly path: string
  readonly write: (file: FileHandle) => Promise<void>
}

/**
 * Writes files beside their places first and moves them there, in the order given, when all are complete: a reader sees
 * an old file or a new one, never half of one. @throws what the file system throws; nothing is left behind then.
 */
export async function replaceFiles(files: readonly NewFile[]): Promise<void> {
  const written: { readonly path: string; readonly temporary: string }[] = []
  try {
    for (const { path, write } of files) {
      const temporary = `${path}.${randomUUID()}.tmp`
      const file = await open(temporary, 'wx')
      written.push({ path, temporary })
      try {
        await write(file)
        await file.sync()
      } finally {
        await file.close()
      }
    }
    for (const { path, temporary } of written) await rename(temporary, path)
  } catch (error) {
    // What was moved already is gone from here.
    for (const { temporary } of written) await rm(temporary, { force: true })
    throw error
  }
}

/** All of `bytes` at `position`, in bytes from the start. */
export async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(bytes.byteLength - done, 1 << 30), position + done)
    done += bytesWritten
  }
}
