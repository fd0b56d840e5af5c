import { channel, tracingChannel } from 'node:diagnostics_channel'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type NullBackendOptions, nullBackend } from '@lowlat/testing'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Backend, Engine, Probe, TensorInfo } from './contract.ts'
import { createSession } from './create-session.ts'
import { BackendError, type ErrorCode, ModelError } from './errors.ts'
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
      ['', 'MODEL_NOT_FOUND'],
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
      await expect(createSession(model as string, { backend: nullBackend() }), `${model}`).rejects.toMatchObject({
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
      'trt',
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
      expect.objectContaining({ backend: 'trt', used: false, remedy: 'Run: npm install @lowlat/backend-trt' }),
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
    'cpu',
  ])('%o are refused', async (options) => {
    await expect(createSession(bytes, options as SessionOptions)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
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

describe('the plan cache', () => {
  const compilesOf = async (backend: ReturnType<typeof nullBackend>, options: SessionOptions[], model = path) => {
    for (const option of options) await (await createSession(model, { backend, ...option })).dispose()
    return backend.log.compiles
  }

  it('saves compiling, also for equal content at another path', async () => {
    const backend = nullBackend()
    expect(await compilesOf(backend, [{}, {}, { contexts: 2 }, { cache: true }])).toBe(1)
    const copy = join(folder, 'copy.onnx')
    await writeFile(copy, 'model')
    expect(await compilesOf(backend, [{}], copy)).toBe(1)
    await writeFile(copy, 'other')
    expect(await compilesOf(backend, [{}], copy)).toBe(2)
  })

  it('is left alone when switched off, or when the backend has no planKey', async () => {
    expect(await compilesOf(nullBackend(), [{ cache: false }, { cache: false }])).toBe(2)
    const { planKey: _, ...without } = nullBackend()
    expect(await compilesOf(without, [{}, {}])).toBe(2)
    await expect(readdir(join(folder, 'cache'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('goes where it is told', async () => {
    const cache = { folder: join(folder, 'elsewhere'), maxBytes: 100 }
    expect(await compilesOf(nullBackend(), [{ cache }, { cache }])).toBe(1)
    expect(await readdir(join(folder, 'elsewhere', 'plans'))).toHaveLength(1)
  })

  it('compiles anew what does not load, replaces it, and tells who listens', async () => {
    const inner = nullBackend()
    let stale = false
    const backend = {
      ...inner,
      load: (...args: Parameters<Backend['load']>) => {
        if (!stale) return inner.load(...args)
        stale = false
        return Promise.reject(new ModelError('PLAN_STALE', { message: 'Old.', remedy: 'Compile.' }))
      },
    }
    const told: unknown[] = []
    const listen = (message: unknown) => told.push(message)
    channel('lowlat:plan-cache').subscribe(listen)
    await compilesOf(backend, [{}])
    stale = true
    expect(await compilesOf(backend, [{}, {}])).toBe(2)
    channel('lowlat:plan-cache').unsubscribe(listen)
    expect(told).toEqual([{ key: expect.any(String), reason: 'Old. Compile.' }])
  })

  it('a load that fails for another reason is not hidden', async () => {
    const backend = nullBackend()
    await compilesOf(backend, [{}])
    const broken: Backend = {
      ...backend,
      load: () => Promise.reject(new BackendError('OUT_OF_MEMORY', { message: 'Full.', remedy: 'Buy.' })),
    }
    await expect(createSession(path, { backend: broken })).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' })
  })

  it('that cannot be written: a warning by default, an error where its folder was named', async () => {
    const file = join(folder, 'file')
    await writeFile(file, 'in the way')
    vi.stubEnv('LOWLAT_CACHE_DIR', file)
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    expect(await compilesOf(nullBackend(), [{}])).toBe(1)
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('cannot be written'), { code: 'LOWLAT_PLAN_CACHE' })
    await expect(createSession(path, { backend: nullBackend(), cache: { folder: file } })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    })
    vi.stubEnv('LOWLAT_CACHE_MAX_BYTES', 'lots')
    await expect(createSession(path, { backend: nullBackend() })).rejects.toMatchObject({ code: 'KNOB_INVALID' })
  })
})

describe('abort', () => {
  it('before the start: nothing happens', async () => {
    const backend = nullBackend()
    const creating = createSession(bytes, { backend, signal: AbortSignal.abort('why') })
    await expect(creating).rejects.toMatchObject({ name: 'AbortError', code: 'ABORTED', cause: 'why' })
    expect(backend.log.compiles).toBe(0)
  })

  it.each(['compile', 'load', 'run'] as const)('during %s: everything is freed', async (phase) => {
    const controller = new AbortController()
    const compute = () => {
      if (phase === 'run') controller.abort()
      return { y: feeds.x }
    }
    const inner = nullBackend({ compute })
    const backend: Backend = {
      ...inner,
      compile: (model, options) => {
        expect(options.signal).toBe(controller.signal)
        if (phase === 'compile') controller.abort()
        return inner.compile(model, options)
      },
      load: (plan, options) => {
        expect(options.signal).toBe(controller.signal)
        if (phase === 'load') controller.abort()
        return inner.load(plan, options)
      },
    }
    await expect(createSession(bytes, { backend, signal: controller.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    })
    expect([inner.log.alive, inner.log.loads]).toEqual([0, phase === 'compile' ? 0 : 1])
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

  it('the work folder of an uncached plan lives as long as its session', async () => {
    vi.stubEnv('TMPDIR', folder)
    const backend = nullBackend()
    const session = await createSession(bytes, { backend, cache: false })
    expect(await temporary()).toHaveLength(1)
    await session.dispose()
    await session.dispose()
    expect([backend.log.alive, await temporary()]).toEqual([0, []])
    await expect(session.run(feeds)).rejects.toMatchObject({ code: 'DISPOSED' })
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
