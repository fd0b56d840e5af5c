// @ts-check
// A process that ends in the middle of something: node native-exits.mjs SCENARIO CONFIG, where CONFIG is JSON.
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

const exitCode = 7
/** @type {{ scenario: string, config: Record<string, string> }} */
const { scenario, config } = isMainThread
  ? { scenario: process.argv[2] ?? '', config: JSON.parse(process.argv[3] ?? '{}') }
  : workerData
const { addon = '', nvinfer = '', onnxParser = '', plugin = '', cudaDriver = '', model = '' } = config

const koffi = createRequire(config.koffiFrom ?? '')('koffi')
const fake = koffi.load(nvinfer)

/** The primary context, which this process never releases. */
function cudaContext() {
  const cuda = koffi.load(cudaDriver)
  const out = new BigUint64Array(1)
  cuda.func('int cuInit(uint)')(0)
  cuda.func('int cuDevicePrimaryCtxRetain(void *, int)')(new Uint8Array(out.buffer), 0)
  return Number(out[0])
}

const paths = { nvinfer: [nvinfer], onnxParser: [onnxParser], plugin: [plugin], cudaDriver }

/** @param {number} context @param {(event: any) => void} onEvent */
function build(context, onEvent) {
  const library = createRequire(import.meta.url)(addon).open(paths)
  const range = { min: [1, 4], opt: [2, 4], max: [4, 4] }
  const request = {
    model: { path: model },
    cudaContext: context,
    stronglyTyped: true,
    profiles: [{ a: range, b: range }],
    useTimingCache: false,
    logSeverity: 'verbose',
  }
  return { library, done: library.build(request, onEvent).done }
}

/** Engine and context of the finished build. @param {number} context */
async function load(context) {
  const { library, done } = build(context, () => {})
  const { plan } = await done
  const engine = await library.deserialize(plan, { cudaContext: context, onLog() {} })
  return { library, engine, plan, executor: await engine.createContext({ memory: 'own' }) }
}

/** So slow that it cannot end by itself. */
const slow = () => fake.func('void fake_nvinfer_set_build(int steps, double step_ms, int noise_threads)')(100000, 2, 4)

/** @param {() => void} then */
function whileBuilding(then) {
  slow()
  const { done } = build(cudaContext(), ({ kind }) => kind === 'step' && then())
  done.catch((/** @type {unknown} */ error) => console.log('settled', error))
}

/** @type {Record<string, () => unknown>} */
const scenarios = {
  'exit-in-build': () => whileBuilding(() => process.exit(exitCode)),
  'exit-in-listener': () => {
    process.on('exit', () => process.exit(exitCode)) // the addon's listener is not reached
    whileBuilding(() => process.exit(exitCode))
  },
  'throw-in-build': () => {
    process.on('uncaughtException', () => process.exit(exitCode))
    whileBuilding(() => {
      throw new Error('on purpose')
    })
  },
  async 'exit-in-load'() {
    const { library, plan } = await load(cudaContext())
    for (let count = 0; count < 8; count++) library.deserialize(plan, { cudaContext: 0, onLog() {} })
    process.exit(exitCode)
  },
  async 'exit-in-run'() {
    const { executor } = await load(cudaContext())
    executor.enqueueInThread(0).catch(() => {})
    process.exit(exitCode)
  },
  async 'end-with-open-objects'() {
    await load(cudaContext())
    process.exitCode = exitCode
  },
  async 'dispose-at-exit'() {
    const { engine, executor } = await load(cudaContext())
    process.on('exit', () => {
      executor.dispose()
      engine.dispose()
    })
    process.exit(exitCode)
  },
  'terminated-worker': () => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { scenario: 'worker-builds', config } })
    // It tells of every step.
    worker.once('message', async () => {
      await worker.terminate()
      process.exitCode = fake.func('double fake_nvinfer_alive(const char *name)')('Builder') === 0 ? exitCode : 1
    })
  },
  async 'terminated-in-calls'() {
    for (let count = 0; count < 8; count++) {
      const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { scenario: 'worker-calls', config } })
      await new Promise((resolve) => worker.once('message', resolve))
      await worker.terminate()
    }
    process.exitCode = exitCode
  },
  'ended-worker': () => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { scenario: 'worker-loads', config } })
    worker.on('exit', () => {
      const alive = fake.func('double fake_nvinfer_alive(const char *name)')
      const left = ['Builder', 'Runtime', 'CudaEngine', 'ExecutionContext'].filter((name) => alive(name) > 0)
      if (left.length > 0) console.log('left', left)
      process.exitCode = left.length === 0 ? exitCode : 1
    })
  },
  'worker-builds': () => whileBuilding(() => parentPort?.postMessage('building')),
  'worker-loads': () => load(cudaContext()),
  'worker-calls': () => {
    const library = createRequire(import.meta.url)(addon).open(paths)
    const profiles = Array(50).fill({ a: { min: [1, 4], opt: [2, 4], max: [4, 4] } })
    parentPort?.postMessage('calling')
    for (;;) {
      try {
        library.build({ model: { path: model }, cudaContext: 0, stronglyTyped: true, profiles }, undefined)
      } catch {
        // no listener: only its arguments are read
      }
    }
  },
}

await scenarios[scenario]?.()
