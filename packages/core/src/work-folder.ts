import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { isMissing } from './storage.ts'

/** A folder of this process's own, empty at first; disposing it removes it. */
export interface WorkFolder {
  readonly path: string
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/** Folders whose time has not moved for this long, of processes that are gone, were left behind. */
const ABANDONED_AFTER_MS = 3_600_000
/** How often a process moves the time of its folders, for those that share the disk but cannot see the process. */
const BEAT_MS = ABANDONED_AFTER_MS / 6

const owned = new Set<string>()
let beating = false

/**
 * Makes `parent/PURPOSE-PID-UUID`. It goes when it is disposed, or else when the process exits; what a killed process
 * left is for {@link sweepWorkFolders}.
 * @throws what the file system throws.
 */
export async function createWorkFolder(parent: string, purpose: string): Promise<WorkFolder> {
  const path = join(parent, workFolderName(purpose))
  keep(path)
  const make = () => mkdir(path, { mode: 0o700 })
  try {
    await make().catch(async (error) => {
      if (!isMissing(error)) throw error
      await mkdir(parent, { recursive: true })
      await make()
    })
  } catch (error) {
    owned.delete(path)
    throw error
  }
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      await rm(path, { recursive: true, force: true })
      owned.delete(path)
    },
  }
}

/** A name that says to whom a folder belongs and is used once. */
export const workFolderName = (purpose: string) => `${purpose}-${process.pid}-${randomUUID()}`

const namePattern = /^([a-z]+)-(\d+)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/**
 * Removes what killed processes left in `parent`: folders named as above for one of `purposes`, older than an hour, and
 * of no process that runs. Two rules, since either alone errs: a process in another container cannot be seen, but moves
 * the time of its folders; one that was stopped or suspended does not, but can be seen.
 */
export async function sweepWorkFolders(parent: string, purposes: readonly string[]): Promise<void> {
  // Sweeping is a service to the disk: what is gone already, or belongs to somebody else, is not our concern.
  for (const name of await readdir(parent).catch(() => [])) {
    const [, purpose, pid] = namePattern.exec(name) ?? []
    const path = join(parent, name)
    if (!purpose || !purposes.includes(purpose) || owned.has(path) || isOtherProcess(Number(pid))) continue
    const found = await stat(path).catch(() => undefined)
    if (!found || Date.now() - found.mtimeMs <= ABANDONED_AFTER_MS) continue
    await rm(path, { recursive: true, force: true }).catch(() => {})
  }
}

/** Under our own number an earlier process may have run, as in containers, where it is always the same. */
function isOtherProcess(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

function keep(path: string): void {
  owned.add(path)
  if (beating) return
  beating = true
  process.on('exit', removeAll)
  setInterval(beat, BEAT_MS).unref()
}

function beat(): void {
  const now = new Date()
  // A folder that is being removed needs no time.
  for (const path of owned) utimes(path, now, now).catch(() => {})
}

function removeAll(): void {
  for (const path of owned) {
    try {
      rmSync(path, { recursive: true, force: true })
    } catch {
      // In use (Windows, where mapped files cannot be removed): the next process that sweeps removes it.
    }
  }
}
