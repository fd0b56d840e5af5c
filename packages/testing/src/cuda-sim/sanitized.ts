import { spawn, spawnSync } from 'node:child_process'

/** Whether this process was started by `runSanitized`: it can load, and only it should, what is built with `sanitize`. */
export const isSanitized = (): boolean => process.env.LOWLAT_CUDA_SIM_SANITIZED === '1'

export interface SanitizedRun {
  /** Of `node`: a script and its arguments, such as vitest's. */
  readonly args: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
}

export interface SanitizedResult {
  /** null when it was killed. */
  readonly exitCode: number | null
  /** Standard output and error together, with the sanitizers' reports. */
  readonly output: string
}

/** Runs Node.js with AddressSanitizer in place, so that libraries built with `sanitize` can be loaded. */
export function runSanitized({ args, cwd, env = {}, timeoutMs = 600_000 }: SanitizedRun): Promise<SanitizedResult> {
  const child = spawn(process.execPath, args, {
    cwd,
    timeout: timeoutMs,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      LOWLAT_CUDA_SIM_SANITIZED: '1',
      LD_PRELOAD: [runtimeLibrary('libasan.so'), runtimeLibrary('libubsan.so')].join(':'),
      // V8 is not built for leak checking, and the fibers' stacks are not ones that ASan made.
      ASAN_OPTIONS: 'detect_leaks=0:detect_stack_use_after_return=0:abort_on_error=0:exitcode=99',
      UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1:exitcode=99',
      ...env,
    },
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (exitCode) => resolve({ exitCode, output }))
  })
}

function runtimeLibrary(name: string): string {
  const path = spawnSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout?.trim()
  // Without such a file g++ repeats the name.
  if (!path || path === name) throw new Error(`g++ has no ${name}: install its sanitizer libraries`)
  return path
}
