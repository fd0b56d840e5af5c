import { tracingChannel } from 'node:diagnostics_channel'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type NullBackendOptions, nullBackend } from '@lowlat/testing'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Backend, Engine, Feeds, Probe, TensorInfo } from './contract.ts'
import { createSession } from './create-session.ts'
import { type ErrorCode, ModelError } from './errors.ts'
import type { SessionOptions } from './session-options.ts'
import { Tensor } from './tensor.ts'

const root = await mkdtemp(join(tmpdir(), 'lowlat-session-test-'))
afterAll(() => rm(root, { recursive: true, force: true }))
afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(root, 'test-'))
  path = join(folder, 'model.onnx')
  await writeFile(path, 'model')
  vi.stubEnv('LOWLAT_CACHE_DIR', join(folder, 'cache'))
})

const bytes = Uint8Array.of(1, 2, 3)
const feeds = { x: Tensor.zeros('float32', [1, 4]) }
const info = (shape: TensorInfo['shape']): TensorInfo => ({ name: 'x', dtype: 'float32', shape })

/** A null backend under a name, with parts of it replaced. */
const named = (name: string, change: Partial<Backend> = {}, options: NullBackendOptions = {}) => ({
  ...nullBackend(options),
  name,
  ...change,
})
const failing = (name: string, code: ErrorCode) =>
  named(name, {
    compile: () => Promise.reject(new ModelError(code, { message: `${name} cannot.`, remedy: `Mend ${name}.` })),
  })
const absent: Probe = { available: false, reason: 'no device.', remedy: 'Buy one.', devices: [] }

describe('the model', () => {
  it.each([
    ['a path', () => path],
    ['a file URL', () => pathToFileURL(path)],
    ['a file URL as text', () => pathToFileURL(path).href],
    ['bytes', () => bytes],
    ['an ArrayBuffer', () => bytes.buffer],
    ['a Buffer', () => Buffer.from(bytes)],
  ])('may be %s', async (_, model) => {
    await using session = await createSession(model(), { backend: nullBackend() })
    expect((await session.run(feeds)).y!.shape).toEqual([1, 4])
  })

  it('that is missing, a folder or empty is refused', async () => {
    await writeFile(join(folder, 'empty'), '')
    const cases: [unknown, string][] = [
      [join(folder, 'nothing.onnx'), 'MODEL_NOT_FOUND'],
      ['with\0zero', 'MODEL_NOT_FOUND'],
      ['', 'INVALID_ARGUMENT'],
      ['https://example.com/model.onnx', 'INVALID_ARGUMENT'],
      ['file://elsewhere/model.onnx', 'INVALID_ARGUMENT'],
      [Object.create(null), 'INVALID_ARGUMENT'],
      [1n, 'INVALID_ARGUMENT'],
      [folder, 'MODEL_NOT_FOUND'],
      [join(folder, 'empty'), 'MODEL_INVALID'],
      [new Uint8Array(0), 'MODEL_INVALID'],
      [new URL('https://example.com/model.onnx'), 'INVALID_ARGUMENT'],
      [new URL('file://elsewhere/model.onnx'), 'INVALID_ARGUMENT'],
      [undefined, 'INVALID_ARGUMENT'],
      [null, 'INVALID_ARGUMENT'],
      [7, 'INVALID_ARGUMENT'],
      [[1, 2], 'INVALID_ARGUMENT'],
    ]
    for (const [model, code] of cases) {
      await expect(createSession(model as string, { backend: nullBackend() }), code).rejects.toMatchObject({
        code,
      })
    }
  })
})

describe('the choice of a backend', () => {
  it('a value: it is used', async () => {
    await using session = await createSession(bytes, { backend: named('mine') })
    expect([session.backend, session.selection]).toEqual(['mine', [{ backend: 'mine', used: true }]])
  })

  it('a list: the first that can, with the reasons of those that cannot', async () => {
    const backends = [
      named('absent', { probe: async () => absent }),
      failing('unsupported', 'MODEL_UNSUPPORTED'),
      failing('precision', 'PRECISION_UNAVAILABLE'),
      failing('uninstalled', 'BACKEND_NOT_INSTALLED'),
      named('good'),
      named('unasked'),
    ]
    vi.spyOn(process, 'cwd').mockReturnValue(folder)
    await using session = await createSession(path, { backend: backends })
    expect(session.backend).toBe('good')
    expect(session.selection).toEqual([
      {
        backend: 'absent',
        used: false,
        reason: "The backend 'absent' cannot run here: no device. Buy one.",
        remedy: 'Buy one.',
      },
      {
        backend: 'unsupported',
        used: false,
        reason: 'unsupported cannot. Mend unsupported.',
        remedy: 'Mend unsupported.',
      },
      { backend: 'precision', used: false, reason: 'precision cannot. Mend precision.', remedy: 'Mend precision.' },
      expect.objectContaining({ backend: 'uninstalled', used: false, remedy: 'Mend uninstalled.' }),
      { backend: 'good', used: true },
    ])
  })

  it('a list of which none can: one error with every reason', async () => {
    const backend = [named('a', { probe: async () => absent }), failing('b', 'MODEL_UNSUPPORTED')]
    await expect(createSession(bytes, { backend })).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringMatching(/a: .*no device.*b: b cannot/),
      details: { selection: [{ backend: 'a' }, { backend: 'b' }] },
      cause: { errors: [{ code: 'BACKEND_UNAVAILABLE' }, { code: 'MODEL_UNSUPPORTED' }] },
    })
  })

  it('a single one that cannot: its own error', async () => {
    await expect(createSession(bytes, { backend: failing('b', 'MODEL_UNSUPPORTED') })).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
    })
    await expect(createSession(bytes, { backend: ['nobody'] })).rejects.toMatchObject({ code: 'BACKEND_UNKNOWN' })
  })

  it('errors that another backend would share end the search', async () => {
    const next = nullBackend()
    await expect(createSession(bytes, { backend: [failing('a', 'MODEL_INVALID'), next] })).rejects.toMatchObject({
      code: 'MODEL_INVALID',
    })
    expect(next.log.compiles).toBe(0)
  })

  it('the same one twice is asked once', async () => {
    const backend = failing('b', 'MODEL_UNSUPPORTED')
    await expect(createSession(bytes, { backend: [backend, backend] })).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
    })
  })
})

describe('options', () => {
  it('that do not validate are all named', async () => {
    const options: object = {
      contexts: 0,
      maxQueue: -1,
      precision: 'fp8',
      warmup: 'yes',
      profiles: [{ x: { min: [1] } }],
      thread: 4,
    }
    const error = await createSession(bytes, options as SessionOptions).catch((thrown) => thrown)
    expect(error).toMatchObject({ name: 'ConfigError', code: 'CONFIG_INVALID' })
    for (const name of ['contexts', 'maxQueue', 'precision', 'warmup', 'profiles.0.x.opt', 'thread']) {
      expect(error.message).toContain(name)
    }
    expect(error.details.problems).toHaveLength(7) // opt and max are both missing
    expect(error.remedy).toContain('backendOptions')
  })

  it.each([
    { backend: [] },
    { backend: [[nullBackend()]] },
    { backend: 7 },
    { backend: null },
    { contexts: 1.5 },
    { contexts: 1025 },
    { cache: 'folder' },
    { cache: { path: 'x' } },
    { signal: {} },
    { profiles: [{ x: { min: [1], opt: [1], max: [-1] } }] },
    { backendOptions: { cpu: 7 } },
    { backendOptions: { cpu: null } },
    { cache: { folder: '' } },
    { cache: { folder: 'a\0b' } },
    { cache: { folder: null } },
    { contexts: 1n },
    { contexts: Object.create(null) },
    { profiles: [{ x: { min: [Number.NaN], opt: [1], max: [1] } }] },
    { profiles: [null] },
    { precision: Symbol('fp16') },
    { warmup: [] },
    { warmup: [7] },
    ...['profiles', 'contexts', 'cache', 'signal', 'warmup', 'backendOptions', 'maxQueue'].map((name) => ({
      [name]: null,
    })),
    null,
    'cpu',
  ])('%o are refused', async (options) => {
    await expect(createSession(bytes, options as SessionOptions)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  it.each([
    [{ contxts: 2 }, "there is no 'contxts' (did you mean 'contexts'?)"],
    [{ warmUp: false }, "there is no 'warmUp' (did you mean 'warmup'?)"],
    [{ cache: { maxbytes: 5 } }, "there is no 'cache.maxbytes' (did you mean 'maxBytes'?)"],
    [{ cache: { path: 'x' } }, "there is no 'cache.path' (known: folder, maxBytes)"],
    [{ cache: { maxBytes: -1 } }, 'cache.maxBytes: '],
    [{ warmup: ['x'] }, 'warmup.0: expected an object of tensors'],
    [
      { profiles: [{ x: { min: [1], opt: [1], max: [1], mix: [1] } }] },
      "there is no 'profiles.0.x.mix' (did you mean 'min'?)",
    ],
  ])('%o: the message says what is meant', async (options, message) => {
    await expect(createSession(bytes, options as SessionOptions)).rejects.toThrow(message)
  })

  it('may be any object, also without a prototype, and hold what the backend likes', async () => {
    const circular: Record<string, unknown> = { count: 1n, none: Object.create(null) }
    circular.self = circular
    const options = Object.assign(Object.create(null), { backend: nullBackend(), backendOptions: { null: circular } })
    await (await createSession(bytes, options)).dispose()
    await expect(createSession(bytes, { ...options, contexts: circular })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    })
  })

  it('profiles that no model can have are refused before anything is compiled', async () => {
    const backend = nullBackend()
    for (const [min, max] of [
      [
        [1, 4],
        [2 ** 40, 4],
      ],
      [
        [2, 4],
        [1, 4],
      ],
      [[1, 4], [1]],
    ]) {
      const options = { backend, profiles: [{ x: { min: min!, opt: min!, max: max! } }] }
      await expect(createSession(bytes, options)).rejects.toMatchObject({ code: 'PROFILE_INVALID' })
    }
    expect(backend.log.compiles).toBe(0)
  })

  it('reach the backend: precision, profiles, its own options, contexts', async () => {
    const seen: unknown[] = []
    const inner = nullBackend()
    const backend: Backend = {
      ...inner,
      compile: (model, options) => {
        seen.push([model, options.precision, options.profiles, options.backendOptions])
        return inner.compile(model, options)
      },
      load: (plan, options) => {
        seen.push([options.backendOptions, options.contexts])
        return inner.load(plan, options)
      },
    }
    const profiles = [{ x: { min: [1, 4], opt: [2, 4], max: [4, 4] } }]
    const backendOptions = { null: { threads: 2 }, other: { threads: 3 } }
    await using session = await createSession(path, {
      backend,
      precision: 'fp16',
      profiles,
      contexts: 2,
      backendOptions,
    })
    expect(seen).toEqual([
      [{ kind: 'file', path }, 'fp16', profiles, { threads: 2 }],
      [{ threads: 2 }, 2],
    ])
    expect([session.stats.contexts, session.profiles]).toEqual([2, profiles])
  })

  it('contexts default to what the engine prefers', async () => {
    const inner = nullBackend()
    const backend: Backend = {
      ...inner,
      load: async (plan, options) => ({ ...(await inner.load(plan, options)), preferredContexts: 3 }),
    }
    await using session = await createSession(bytes, { backend })
    expect(session.stats.contexts).toBe(3)
  })

  it('profiles that do not fit the model are refused, and nothing is cached', async () => {
    const backend = nullBackend()
    const profiles = [{ x: { min: [1, 3], opt: [1, 3], max: [1, 3] } }]
    await expect(createSession(bytes, { backend, profiles })).rejects.toMatchObject({ code: 'PROFILE_INVALID' })
    expect(await readdir(join(folder, 'cache'))).toEqual(['work'])
  })
})

describe('abort', () => {
  it('before the start: nothing happens', async () => {
    const backend = nullBackend()
    const creating = createSession(bytes, { backend, signal: AbortSignal.abort('why') })
    await expect(creating).rejects.toMatchObject({ name: 'AbortError', code: 'ABORTED', cause: 'why' })
    expect(backend.log.compiles).toBe(0)
  })

  it.each(['probe', 'compile', 'load', 'run'] as const)(
    'during %s: at once, and everything is freed',
    async (phase) => {
      const controller = new AbortController()
      const waiting = new Map<string, () => void>()
      /** Ends when the test says so. */
      const slowly = (name: string) =>
        name === phase ? new Promise<void>((resolve) => waiting.set(name, resolve)) : Promise.resolve()
      const inner = nullBackend({ inputs: [info([1, 4])] })
      const backend: Backend = {
        ...inner,
        probe: async () => {
          await slowly('probe')
          return inner.probe()
        },
        compile: async (model, options) => {
          expect(options.signal).toBe(controller.signal)
          await slowly('compile')
          return inner.compile(model, options)
        },
        load: async (plan, options) => {
          expect(options.signal).toBe(controller.signal)
          await slowly('load')
          const engine = await inner.load(plan, options)
          const createContext = async () => {
            const context = await engine.createContext()
            return { ...context, run: (feeds: Feeds) => slowly('run').then(() => context.run(feeds)) }
          }
          return { ...engine, createContext }
        },
      }
      const creating = createSession(bytes, {
        backend,
        signal: controller.signal,
        cache: { folder: join(folder, 'c') },
      })
      creating.catch(() => {})
      await vi.waitFor(() => expect(waiting.size).toBe(1))
      controller.abort('enough')
      // The step that runs goes on: nobody waits for it.
      await expect(creating).rejects.toMatchObject({ name: 'AbortError', code: 'ABORTED', cause: 'enough' })
      expect(inner.log.runs).toBe(0)
      waiting.get(phase)!()
      await vi.waitFor(async () => {
        const left = await readdir(join(folder, 'c', 'work')).catch(() => [])
        expect([inner.log.alive, left]).toEqual([0, []])
      })
      expect(inner.log).toMatchObject({
        compiles: phase === 'probe' ? 0 : 1,
        loads: phase === 'probe' || phase === 'compile' ? 0 : 1,
      })
      expect(inner.log.runs).toBeLessThanOrEqual(1)
    },
  )

  it('after it was created changes nothing', async () => {
    const controller = new AbortController()
    await using session = await createSession(bytes, { backend: nullBackend(), signal: controller.signal })
    controller.abort()
    expect((await session.run(feeds)).y!.shape).toEqual([1, 4])
  })
})

describe('failures on the way', () => {
  const temporary = async () => (await readdir(folder)).filter((name) => name.startsWith('lowlat-'))

  it.each<[string, Partial<Engine> | 'load' | 'run']>([
    ['loading', 'load'],
    ['creating a context', { createContext: () => Promise.reject(new Error('broken')) }],
    ['the first run', 'run'],
    ['settling after the warm-up', { warmedUp: () => Promise.reject(new Error('broken')) }],
  ])('%s: everything is freed, on disk too', async (_, part) => {
    vi.stubEnv('TMPDIR', folder)
    const inner = nullBackend({
      inputs: [info([1, 4])],
      compute: () => {
        if (part === 'run') throw new Error('broken')
        return {}
      },
    })
    const backend: Backend = {
      ...inner,
      load: async (plan, options) => {
        if (part === 'load') throw new Error('broken')
        return { ...(await inner.load(plan, options)), ...(typeof part === 'object' && part) }
      },
    }
    await expect(createSession(bytes, { backend, cache: false })).rejects.toThrow('broken')
    expect([inner.log.alive, await temporary()]).toEqual([0, []])
  })
})

describe('tracing', () => {
  it('publishes compiling and loading', async () => {
    const events: string[] = []
    const on = (name: string) => (message: unknown) => {
      events.push(`${name} ${(message as { backend: string }).backend}`)
    }
    const subscriptions = ['compile', 'load'].map((name) => {
      const { start, asyncEnd } = tracingChannel(`lowlat:${name}`)
      const pairs = [
        [start, on(`${name} starts`)],
        [asyncEnd, on(`${name} ends`)],
      ] as const
      for (const [event, listener] of pairs) event.subscribe(listener)
      return pairs
    })
    await (await createSession(bytes, { backend: nullBackend() })).dispose()
    for (const [event, listener] of subscriptions.flat()) event.unsubscribe(listener)
    expect(events).toEqual(['compile starts null', 'compile ends null', 'load starts null', 'load ends null'])
  })
})
