import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 100
const LONGEST_BUILD_MS = 600_000
const UNUSED_DAYS = 14

/**
 * Makes a file unless it is there, in one process at a time; the others wait for it. It appears whole or not at all.
 * @param make writes the path that it is given. What it throws is thrown, and the next process tries itself.
 */
export async function buildOnce(output: string, make: (partial: string) => Promise<void>): Promise<void> {
  const lock = `${output}.lock`
  while (!existsSync(output)) {
    if (!takeLock(lock)) {
      await sleep(POLL_MS)
      continue
    }
    const partial = `${output}.${process.pid}`
    try {
      if (existsSync(output)) break
      await make(partial)
      renameSync(partial, output)
      removeUnused(dirname(output))
    } finally {
      rmSync(partial, { force: true })
      rmSync(lock, { force: true })
    }
  }
  const now = new Date()
  utimesSync(output, now, now)
}

/** The lock names the process that holds it; one that has died, or holds it for too long, has lost it. */
function takeLock(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const owner = readOwner(lock)
  const takenMs = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
  const stale = Date.now() - takenMs > LONGEST_BUILD_MS || (owner !== undefined && !isAlive(owner))
  if (stale) rmSync(lock, { force: true })
  return false
}

function readOwner(lock: string): number | undefined {
  try {
    return Number(readFileSync(lock, 'utf8')) || undefined
  } catch {
    return undefined // released meanwhile, or not written yet
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

function removeUnused(folder: string): void {
  const oldest = Date.now() - UNUSED_DAYS * 86_400_000
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if ((statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? oldest) < oldest) rmSync(path, { force: true })
  }
}
