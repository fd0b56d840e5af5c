import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Plan } from '@lowlat/core'
import { filePlan } from './file-plan.ts'

/** What each process does: two workers create sessions and then run without an end, each run some 50 ms long. */
const script = `
  import { readFileSync } from 'node:fs'
  import { Tensor } from '@lowlat/core'
  import { createBackend } from './src/backend.ts'

  const [plan, ending] = JSON.parse(readFileSync(0, 'utf8'))
  const end = () => {
    if (ending.how === 'throw') throw new Error('uncaught')
    process.exit(7)
  }
  const after = (moment, delayMs) => {
    if (ending.moment !== moment) return
    if (delayMs === 0) end()
    else setTimeout(end, delayMs)
  }
  const loading = createBackend().load(plan, { backendOptions: { workers: 2, placement: 'worker', threads: 1 } })
  after('load', ending.delayMs)
  const engine = await loading
  const runs = [1, 2].map(async () => {
    const context = await engine.createContext()
    for (;;) await context.run({ x: Tensor.zeros('float32', [512, 1024]) })
  })
  after('run', ending.delayMs)
  await Promise.all(runs)
`

export interface Ending {
  readonly how: 'exit' | 'throw'
  /** Since when `delayMs` counts: since the engine began to load, or since the first run began. */
  readonly moment: 'load' | 'run'
  readonly delayMs: number
}

/** The exit code that each ending ought to have. */
export const codeOf = ({ how }: Ending): number => (how === 'exit' ? 7 : 1)

/**
 * Exit codes of processes that end so, or the signals that killed them; two processes at a time. `model` takes x: float32
 * [512, 1024].
 */
export async function exitCodes(model: Uint8Array, endings: readonly Ending[]): Promise<(number | string)[]> {
  const folder = await mkdtemp(join(tmpdir(), 'lowlat-exit-'))
  try {
    const plan = await filePlan(model, folder)
    const codes: (number | string)[] = []
    const rest = [...endings.entries()]
    const work = async () => {
      for (let next = rest.shift(); next; next = rest.shift()) codes[next[0]] = await exitCode(plan, next[1])
    }
    await Promise.all([work(), work()])
    return codes
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function exitCode(plan: Plan, ending: Ending): Promise<number | string> {
  return new Promise((resolve, reject) => {
    const flags = ['--conditions=@lowlat/source', '--import', 'tsx', '--input-type=module', '-e', script]
    const cwd = fileURLToPath(new URL('../..', import.meta.url))
    const child = spawn(process.execPath, flags, { cwd, stdio: ['pipe', 'ignore', 'ignore'] })
    child.on('error', reject)
    child.on('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'))
    child.stdin.end(JSON.stringify([plan, ending]))
  })
}
