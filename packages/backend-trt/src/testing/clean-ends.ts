import { spawn } from 'node:child_process'
import { expect } from 'vitest'

/** Processes at the same time. */
const AT_ONCE = 3
const LIMIT_MS = 20_000

/** Runs Node.js so many times, some at once: each must end with code 7, in time, and say nothing. */
export async function expectCleanEnds(times: number, args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  let left = times
  const runs = Array.from({ length: AT_ONCE }, async () => {
    while (left-- > 0) expect(await run(args, env)).toEqual({ code: 7, signal: null, output: '' })
  })
  await Promise.all(runs)
}

function run(args: readonly string[], env: NodeJS.ProcessEnv) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { env: { ...process.env, ...env }, timeout: LIMIT_MS })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text))
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, output }))
  })
}
