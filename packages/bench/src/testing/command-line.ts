import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll } from 'vitest'

const run = promisify(execFile)
const cli = fileURLToPath(new URL('../cli.ts', import.meta.url))

interface Finished {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command line from its sources, with a cache and a folder for files that live as long as the test file. */
export function commandLine(): { run(...args: string[]): Promise<Finished>; path(...names: string[]): string } {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'lowlat-bench-test-'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return {
    path: (...names) => join(folder, ...names),
    run(...args) {
      const env = { ...process.env, LOWLAT_CACHE_DIR: join(folder, 'cache') }
      return run(process.execPath, ['--conditions=@lowlat/source', '--import', 'tsx', cli, ...args], { env }).then(
        (output) => ({ code: 0, ...output }),
        (error: Finished) => error,
      )
    },
  }
}
