import { tracingChannel } from 'node:diagnostics_channel'
import { FakeClock, nullBackend, nullSession } from '@lowlat/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Engine, TensorInfo } from './contract.ts'
import { BackendError } from './errors.ts'
import { Session } from './session.ts'
import { Tensor } from './tensor.ts'
import { Timeline } from './timeline.ts'

let clock: FakeClock
beforeEach(() => {
  clock = new FakeClock()
})

const feeds = { x: Tensor.zeros('float32', [1, 4]) }
const codeOf = (promise: Promise<unknown>) => promise.catch((error) => error.code ?? error.message)
const settle = () => clock.advance(1_000_000)

const two: TensorInfo[] = [
  { name: 'y', dtype: 'float32', shape: ['batch', 4] },
  { name: 'z', dtype: 'int8', shape: [] },
]

/** An engine of the null backend, for tests that break a part of it. */
async function engineOf(backend: ReturnType<typeof nullBackend>): Promise<Engine> {
  const options = { precision: 'model', profiles: [], backendOptions: {}, workFolder: '' } as const
  const plan = await backend.compile({ kind: 'bytes', bytes: new Uint8Array(1) }, options)
  return backend.load(plan, { backendOptions: {} })
}

describe('a session', () => {
  it('describes its model', async () => {
    const profile = { x: { min: [1, 4], opt: [2, 4], max: [4, 4] } }
    const { session } = await nullSession({ clock, contexts: 2, outputs: two, profiles: [profile] })
    expect(session.inputs).toEqual([{ name: 'x', dtype: 'float32', shape: ['batch', 4] }])
    expect([session.outputs, session.profiles, session.backend]).toEqual([two, [profile], 'null'])
    expect(session.stats).toEqual({ contexts: 2, idle: 2, queued: 0, longestRunUs: 0 })
    expect(session.inspect()).toEqual({ backend: 'null', properties: { runUs: 0 } })
  })

  it('returns all outputs, or those that were asked for', async () => {
    const { session } = await nullSession({ clock, outputs: two })
    const all = await session.run(feeds)
    expect(Object.fromEntries(Object.entries(all).map(([name, { dtype, shape }]) => [name, [dtype, shape]]))).toEqual({
      y: ['float32', [1, 4]],
      z: ['int8', []],
    })
    expect(Object.keys(await session.run(feeds, { outputs: ['z'] }))).toEqual(['z'])
    expect(await codeOf(session.run(feeds, { outputs: ['y', 'nope'] }))).toBe('OUTPUT_UNKNOWN')
  })

  it('answers bad input with an error and goes on', async () => {
    const { session, log } = await nullSession({ clock })
    const bad: [unknown, string][] = [
      [{}, 'INPUT_MISSING'],
      [{ ...feeds, more: feeds.x }, 'INPUT_UNKNOWN'],
      [{ x: Tensor.zeros('int8', [1, 4]) }, 'INPUT_DTYPE'],
      [{ x: Tensor.zeros('float32', [1, 5]) }, 'INPUT_SHAPE'],
      [{ x: new Float32Array(4) }, 'INVALID_ARGUMENT'],
      [feeds.x, 'INVALID_ARGUMENT'],
      [null, 'INVALID_ARGUMENT'],
    ]
    for (const [input, code] of bad) expect(await codeOf(session.run(input as typeof feeds))).toBe(code)
    expect(await codeOf(session.run(feeds, { priority: Number.NaN }))).toBe('INVALID_ARGUMENT')
    expect(log.runs).toBe(0)
    expect((await session.run(feeds)).y!.shape).toEqual([1, 4])
  })

  it.each([
    [null],
    [5],
    ['y'],
    [[]],
    [{ outputs: 5 }],
    [{ outputs: 'y' }],
    [{ outputs: [] }],
    [{ outputs: [Symbol('y')] }],
    [{ outputs: null }],
    [{ priority: Object.create(null) }],
    [{ deadlineMs: '5' }],
    [{ deadlineMs: null }],
    [{ signal: {} }],
    [{ signal: null }],
    [{ timeline: {} }],
    [{ timeline: { span() {} } }],
    [{ deadline: 5 }],
  ])('refuses the options %o', async (options) => {
    const { session, log } = await nullSession({ clock })
    expect(await codeOf(session.run(feeds, options as never))).toBe('INVALID_ARGUMENT')
    expect([log.runs, session.idle]).toEqual([0, 1])
  })

  it('runs on what was checked, whatever the caller changes while the request waits', async () => {
    const seen: unknown[] = []
    const compute = ({ x }: Readonly<Record<string, Tensor>>) => {
      seen.push(x)
      return { y: x!, z: x! }
    }
    const { session } = await nullSession({ clock, compute, outputs: two, runUs: 10 })
    const first = session.run(feeds)
    const mine: Record<string, Tensor> = { ...feeds }
    const outputs = ['y']
    const second = session.run(mine, { outputs })
    mine.x = Tensor.zeros('int8', [7])
    outputs.push('nope')
    await settle()
    await first
    expect([Object.keys(await second), seen]).toEqual([['y'], [feeds.x, feeds.x]])
  })

  it('refuses memory that went while the request waited, and goes on', async () => {
    const { session, log } = await nullSession({ clock, runUs: 10 })
    const x = Tensor.zeros('float32', [1, 4])
    const runs = [feeds, { x }, feeds].map((input) => codeOf(session.run(input)))
    structuredClone(x.data, { transfer: [x.data.buffer as ArrayBuffer] })
    await settle()
    expect(await runs[1]).toBe('INPUT_BYTE_LENGTH')
    expect(await runs[2]).toHaveProperty('y')
    expect([log.runs, session.idle]).toEqual([2, 1])
  })

  it('rejects with what the backend throws and goes on', async () => {
    let fail = true
    const compute = () => {
      if (fail) throw new BackendError('RUN_FAILED', { message: 'It failed.', remedy: 'Retry.' })
      return { y: feeds.x }
    }
    const { session } = await nullSession({ clock, compute })
    expect(await codeOf(session.run(feeds))).toBe('RUN_FAILED')
    fail = false
    expect(await session.run(feeds)).toEqual({ y: feeds.x })
  })

  it('runs as many requests at once as it has contexts, and queues up to maxQueue', async () => {
    const { session, log } = await nullSession({ clock, contexts: 3, maxQueue: 5, runUs: 100 })
    const runs = Array.from({ length: 10 }, () => codeOf(session.run(feeds)))
    expect(session.idle).toBe(0)
    expect(session.stats.queued).toBe(5)
    await settle()
    const codes = (await Promise.all(runs)).filter((result) => typeof result === 'string')
    expect(codes).toEqual(['QUEUE_FULL', 'QUEUE_FULL'])
    expect([log.maxRunning, log.runs]).toEqual([3, 8])
  })

  it('10,000 requests at once: one outcome each, at once for the surplus', async () => {
    const { session, log } = await nullSession({ clock, contexts: 2, maxQueue: 64, runUs: 100 })
    const counts = new Map<string, number>()
    const count = (key: string) => counts.set(key, (counts.get(key) ?? 0) + 1)
    const runs = Array.from({ length: 10_000 }, () =>
      session.run(feeds, { deadlineMs: 10_000 }).then(
        () => count('done'),
        (error) => count(error.code),
      ),
    )
    await clock.advance(0)
    expect(Object.fromEntries(counts)).toEqual({ QUEUE_FULL: 9934 })
    await settle()
    await Promise.all(runs)
    expect(Object.fromEntries(counts)).toEqual({ QUEUE_FULL: 9934, done: 66 })
    expect([log.runs, clock.timers]).toEqual([66, 0])
  })

  it('stamps the wait and the end on the timeline that it is given', async () => {
    const { session } = await nullSession({ clock, runUs: 100 })
    const timelines = [new Timeline(0), new Timeline(0)]
    const runs = timelines.map((timeline) => session.run(feeds, { timeline }))
    await settle()
    await Promise.all(runs)
    expect(timelines.map((timeline) => [timeline.durationUs('queue'), timeline.totalUs])).toEqual([
      [0, 100],
      [100, 200],
    ])
  })
})

describe('deadline and abort', () => {
  it('reach a request in the queue and in flight', async () => {
    const { session, log } = await nullSession({ clock, runUs: 1000 })
    const controller = new AbortController()
    const runs = [
      codeOf(session.run(feeds, { deadlineMs: 0.5 })),
      codeOf(session.run(feeds, { deadlineMs: 0.4 })),
      codeOf(session.run(feeds, { signal: controller.signal })),
      session.run(feeds),
    ]
    await clock.advance(400)
    expect(await runs[1]).toBe('DEADLINE_EXCEEDED')
    await clock.advance(100)
    expect(await runs[0]).toBe('DEADLINE_EXCEEDED')
    controller.abort()
    expect(await runs[2]).toBe('ABORTED')
    await settle()
    expect(await runs[3]).toHaveProperty('y')
    expect([log.runs, log.maxRunning, clock.timers]).toEqual([2, 1, 0])
  })
})

describe('a deadline that cannot be met', () => {
  /** 1 ms per row. */
  async function learned(rows: number) {
    const compute = ({ x }: Readonly<Record<string, Tensor>>) => ({ y: x! })
    const { session } = await nullSession({ clock, runUs: 1000 * rows, compute })
    const large = { x: Tensor.zeros('float32', [rows, 4]) }
    for (let i = 0; i < 8; i++) {
      const run = session.run(large)
      await settle()
      await run
    }
    return { session, large }
  }

  it('is refused by the times of the same shapes alone', async () => {
    const { session, large } = await learned(100)
    const runs = [session.run(feeds), session.run(feeds, { deadlineMs: 210 })]
    expect(await codeOf(session.run(large, { deadlineMs: 99 }))).toBe('DEADLINE_UNREACHABLE')
    runs.push(session.run(feeds, { deadlineMs: 310 }))
    await settle()
    expect((await Promise.all(runs)).map(({ y }) => y!.shape)).toEqual([
      [1, 4],
      [1, 4],
      [1, 4],
    ])
  })

  it('is not refused by the times of profiling', async () => {
    const { session, large } = await learned(1)
    await codeOf(session.profile(large))
    expect(session.stats.longestRunUs).toBe(1000)
  })
})

describe('tracing', () => {
  const name = 'lowlat:run'

  it('publishes every run with its timeline, and what it failed with', async () => {
    const events: unknown[] = []
    const subscriber = {
      start: (message: object) => events.push(['start', Object.keys(message)]),
      end: () => {},
      asyncStart: () => {},
      asyncEnd: () => events.push('asyncEnd'),
      error: (message: { error: unknown }) => events.push((message.error as { code: string }).code),
    }
    const { session } = await nullSession({ clock })
    tracingChannel<object>(name).subscribe(subscriber as never)
    await session.run(feeds)
    await codeOf(session.run({}))
    tracingChannel<object>(name).unsubscribe(subscriber as never)
    await session.run(feeds)
    const keys = ['backend', 'feeds', 'timeline']
    expect(events).toEqual([['start', keys], 'asyncEnd', ['start', keys], 'INPUT_MISSING', 'asyncEnd'])
  })

  it('reaches whoever subscribed to errors alone', async () => {
    const { session } = await nullSession({ clock })
    let errors = 0
    const count = () => {
      errors++
    }
    tracingChannel(name).error.subscribe(count)
    await codeOf(session.run({}))
    tracingChannel(name).error.unsubscribe(count)
    expect(errors).toBe(1)
  })
})

describe('profile', () => {
  it('hands back what the context measures', async () => {
    const backend = nullBackend()
    const engine = await engineOf(backend)
    const layer = { name: 'a', operator: 'Add', meanUs: 1, calls: 3 }
    const measuring: Engine = {
      ...engine,
      createContext: async () => ({
        ...(await engine.createContext()),
        profile: async (_feeds, calls) => [{ ...layer, calls }],
      }),
    }
    const session = await Session.create({ engine: measuring, backend: 'x', selection: [], contexts: 1, maxQueue: 0 })
    expect(await session.profile(feeds, 3)).toEqual([layer])
    for (const runs of [0, -1, 1.5, Number.NaN, null, Symbol('1'), Object.create(null)])
      expect(await codeOf(session.profile(feeds, runs as number))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(session.profile({}))).toBe('INPUT_MISSING')
    await session.dispose()
    expect(backend.log.alive).toBe(0)
  })

  it('says so where the backend cannot, and costs no context', async () => {
    const { session } = await nullSession({ clock })
    expect(await codeOf(session.profile(feeds))).toBe('BACKEND_UNAVAILABLE')
    expect(session.idle).toBe(1)
  })
})

describe('creating and disposing', () => {
  it('disposes contexts and engine once, after the requests that run', async () => {
    const { session, log } = await nullSession({ clock, contexts: 3, runUs: 100 })
    expect(log.alive).toBe(4)
    const runs = Array.from({ length: 5 }, () => codeOf(session.run(feeds)))
    const disposed = session.dispose()
    expect(session.dispose()).toBe(disposed)
    expect(session.disposed).toBe(true)
    expect(await codeOf(session.run(feeds))).toBe('DISPOSED')
    expect(log.alive).toBe(4)
    await settle()
    await disposed
    expect((await Promise.all(runs)).slice(3)).toEqual(['DISPOSED', 'DISPOSED'])
    await session[Symbol.asyncDispose]()
    expect([log.alive, log.runs]).toEqual([0, 3])
    expect(await codeOf(session.profile(feeds))).toBe('DISPOSED')
  })

  it('frees everything when a context cannot be created', async () => {
    const backend = nullBackend()
    const engine = await engineOf(backend)
    let created = 0
    const failing: Engine = {
      ...engine,
      createContext: () => (++created === 3 ? Promise.reject(new Error('no memory')) : engine.createContext()),
    }
    let released = 0
    const creating = Session.create({
      engine: failing,
      backend: 'null',
      selection: [],
      contexts: 5,
      maxQueue: 1,
      onDispose: async () => {
        released++
      },
    })
    await expect(creating).rejects.toThrow('no memory')
    expect([created, backend.log.alive, released]).toEqual([3, 0, 1])
  })

  it('frees everything else when a context cannot be disposed, and says so', async () => {
    const backend = nullBackend()
    const engine = await engineOf(backend)
    const failing: Engine = {
      ...engine,
      async createContext() {
        const context = await engine.createContext()
        const dispose = async () => {
          await context[Symbol.asyncDispose]()
          throw new Error('stuck')
        }
        return { ...context, [Symbol.asyncDispose]: dispose }
      },
    }
    let released = 0
    const onDispose = async () => {
      released++
    }
    const fields = { engine: failing, backend: 'null', selection: [], contexts: 1, maxQueue: 1, onDispose }
    const session = await Session.create(fields)
    await expect(session.dispose()).rejects.toThrow('stuck')
    expect([backend.log.alive, released]).toEqual([0, 1])
  })
})
