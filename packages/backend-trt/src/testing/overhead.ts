/**
 * What the TensorRT backend itself costs, on the stand-in and the simulated GPU (so: nothing about TensorRT's speed):
 *
 *     npx pnpm --filter @lowlat/backend-trt bench:overhead [10|11] [ROUNDS]
 *
 * - the delay of the event loop (monitorEventLoopDelay, resolution 1 ms, which each value contains) while nothing happens,
 *   during a build of two seconds with a noisy log and its progress told, and under 1,000 concurrent runs of random shapes;
 * - session.run of a model that computes next to nothing, against the same graph launched and awaited through
 *   `@lowlat/cuda-driver`, in turns.
 *
 * Prints the median over the rounds and all rounds, with the machine's load. Goals: p99 below 5 ms; 40 us at the median.
 */
import { loadavg } from 'node:os'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { createSession, Tensor } from '@lowlat/core'
import { acquire, openDriver, Workspace } from '@lowlat/cuda-driver'
import { sumModel } from '@lowlat/testing'
import { type StandIn, useStandIn } from './stand-in.ts'

const CONCURRENT_RUNS = 1000
const PAIRS = 2000
const MAX_ROWS = 512

const profile = (max: number) => {
  const range = { min: [1, 4], opt: [1, 4], max: [max, 4] }
  return { a: range, b: range }
}
const rowsOf = (rows: number) => new Tensor('float32', [rows, 4], new Float32Array(rows * 4).fill(rows))

/** Percentiles of the event loop's delay while `work` goes on, ms. */
async function loopDelay(work: () => Promise<unknown>): Promise<{ p50: number; p99: number; max: number; ms: number }> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const start = performance.now()
  await work()
  const ms = performance.now() - start
  await new Promise((resolve) => setTimeout(resolve, 10)) // a delay at the end counts as well
  delay.disable()
  return { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6, ms }
}

const open = (standIn: StandIn, trt: Record<string, unknown>, contexts: number, maxRows: number) =>
  createSession(sumModel(), {
    backend: standIn.backend(),
    backendOptions: { trt: { timingCache: false, ...trt } },
    cache: false,
    contexts,
    profiles: [profile(maxRows)],
  })

const idle = () => loopDelay(() => new Promise((resolve) => setTimeout(resolve, 1000)))

async function building(standIn: StandIn) {
  standIn.control.setBuild({ steps: 400, stepMs: 5, noiseThreads: 4 })
  let events = 0
  const onBuild = () => {
    events++
  }
  const delay = await loopDelay(async () => {
    const session = await open(standIn, { onBuild, logSeverity: 'verbose' }, 1, 16)
    await session[Symbol.asyncDispose]()
  })
  standIn.control.reset()
  return { ...delay, events }
}

async function running(standIn: StandIn) {
  await using session = await open(standIn, {}, 4, MAX_ROWS)
  const feeds = Array.from({ length: CONCURRENT_RUNS }, () => {
    const tensor = rowsOf(1 + Math.floor(Math.random() * MAX_ROWS))
    return { a: tensor, b: tensor }
  })
  return await loopDelay(() => Promise.all(feeds.map((each) => session.run(each))))
}

/** The same graph as that of a session's context, without anything around it. */
async function directly(standIn: StandIn, cuda: ReturnType<ReturnType<typeof openDriver>['createContext']>) {
  const { tensorRt } = standIn
  const { plan } = await tensorRt.build({ bytes: sumModel() }, { cuda, profiles: [profile(16)] })
  const engine = await tensorRt.deserialize(plan, { cuda })
  const context = await engine.createContext()
  const { workspace, resources } = acquire((resources) => ({
    workspace: resources.own(new Workspace(cuda, { arenaBytes: 1024, stagingBytes: 1024 })),
    resources,
  }))
  const { stream, signal, arena, staging } = workspace
  await context.setProfileInThread(0, stream)
  for (const name of ['a', 'b']) context.setInputShape(name, [1, 4])
  for (const [index, name] of ['a', 'b', 'sum', 'difference'].entries()) {
    context.setAddress(name, arena.address + index * 256)
  }
  context.inferShapes()
  context.enqueue(stream)
  stream.synchronize()
  using graph = stream.capture(() => {
    stream.copyToDevice(arena.address, staging.address, 272)
    context.enqueue(stream)
    stream.copyToHost(staging.address + 512, arena.address + 512, 272)
  })
  const exec = resources.own(graph.instantiate())
  exec.upload(stream)
  return {
    run: () =>
      signal.run((sequence) => {
        exec.launch(stream)
        stream.writeValue32(signal.address, sequence)
      }),
    async [Symbol.asyncDispose]() {
      resources.dispose()
      await context.dispose()
      await engine.dispose()
    },
  }
}

async function overhead(standIn: StandIn) {
  const driver = openDriver()
  using cuda = driver.createContext(driver.devices()[0]!)
  await using direct = await directly(standIn, cuda)
  await using session = await open(standIn, {}, 1, 16)
  const feeds = { a: rowsOf(1), b: rowsOf(1) }
  const times = { session: [] as number[], direct: [] as number[] }
  const time = async (run: () => Promise<unknown>, into: number[]) => {
    const start = performance.now()
    await run()
    into.push((performance.now() - start) * 1000)
  }
  for (let pair = -PAIRS / 4; pair < PAIRS; pair++) {
    if (pair === 0) times.session.length = times.direct.length = 0 // what came before was warming up
    await time(() => session.run(feeds), times.session)
    await time(direct.run, times.direct)
  }
  const [sessionUs, directUs] = [median(times.session), median(times.direct)]
  return { sessionUs, directUs, overheadUs: sessionUs - directUs }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!
}

const text = (values: Readonly<Record<string, number>>) =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${value.toFixed(value < 100 ? 2 : 0)}`)
    .join(', ')

async function rounds(what: string, count: number, round: () => Promise<Readonly<Record<string, number>>>) {
  const all: Readonly<Record<string, number>>[] = []
  for (let number = 0; number < count; number++) all.push(await round())
  const medians = Object.fromEntries(Object.keys(all[0]!).map((name) => [name, median(all.map((one) => one[name]!))]))
  console.log(`${what}: ${text(medians)} (load ${loadavg()[0]!.toFixed(2)})`)
  for (const one of all) console.log(`  ${text(one)}`)
}

const [major = '10', count = '5'] = process.argv.slice(2)
const standIn = await useStandIn(major === '11' ? 11 : 10)
console.log(`stand-in for TensorRT ${standIn.tensorRt.version}, Node.js ${process.version}, ${count} rounds`)
await rounds('event loop, idle, ms', Number(count), idle)
await rounds('event loop, a build, ms', Number(count), () => building(standIn))
await rounds('event loop, 1,000 runs, ms', Number(count), () => running(standIn))
await rounds('one run, us at p50', Number(count), () => overhead(standIn))
