// A process that ends in the middle of what a session does, as a bundle: node session-exits-child.js SCENARIO CONFIG, where
// CONFIG is JSON.
import { createRequire } from 'node:module'
import { createSession, type Session, Tensor } from '@lowlat/core'
import { backendOver } from '../backend.ts'
import type { BuildEvent } from '../native.ts'
import { openTensorRt } from '../tensorrt/open.ts'

/** What is used of it: it is no dependency of this package. */
interface Koffi {
  load(path: string): { func(declaration: string): (...args: number[]) => void }
}

const exitCode = 7
const [scenario = '', configText = '{}'] = process.argv.slice(2)
const { nvinfer, onnxParser, plugin, model, koffiFrom } = JSON.parse(configText) as Record<string, string>
const paths = { nvinfer: [nvinfer!], onnxParser: [onnxParser!], plugin: [plugin!] }

const open = (onBuild: (event: BuildEvent) => void = () => {}): Promise<Session> =>
  createSession(model!, {
    backend: backendOver(() => openTensorRt(paths)),
    backendOptions: { trt: { timingCache: false, onBuild } },
    cache: false,
    contexts: 2,
  })

const row = (rows: number) => new Tensor('float32', [rows, 4], new Float32Array(rows * 4).fill(rows))
const run = (session: Session, rows: number) => session.run({ a: row(rows), b: row(rows) })
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** So slow that builds cannot end by themselves. */
function slowBuilds(): void {
  openTensorRt(paths) // before the control uses koffi, whose settings are fixed then
  const koffi = createRequire(koffiFrom!)('koffi') as Koffi
  koffi.load(nvinfer!).func('void fake_nvinfer_set_build(int steps, double step_ms, int noise_threads)')(100_000, 2, 4)
}

const scenarios: Readonly<Record<string, () => unknown>> = {
  'exit-in-build': () => {
    slowBuilds()
    void open(({ kind }) => kind === 'step' && process.exit(exitCode))
  },
  'throw-in-build': () => {
    slowBuilds()
    process.on('uncaughtException', () => process.exit(exitCode))
    void open(({ kind }) => {
      if (kind === 'step') setImmediate(() => Promise.reject(new Error('on purpose')))
    })
  },
  async 'exit-in-run'() {
    const session = await open()
    await run(session, 1)
    // Graphs that are launched, shapes that are bound, and requests that wait.
    for (let count = 0; count < 20; count++) void run(session, 1 + (count % 5))
    for (let turns = process.pid % 4; turns > 0; turns--) await turn()
    process.exit(exitCode)
  },
  async 'exit-with-open-contexts'() {
    const session = await open()
    await run(session, 2)
    process.exit(exitCode)
  },
  async 'end-with-open-contexts'() {
    const session = await open()
    await run(session, 2)
    process.exitCode = exitCode
  },
  async 'exit-in-dispose'() {
    const session = await open()
    await Promise.all([run(session, 1), run(session, 3)])
    void session[Symbol.asyncDispose]()
    process.exit(exitCode)
  },
}

await scenarios[scenario]?.()
