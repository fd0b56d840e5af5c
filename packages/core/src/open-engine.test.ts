import { channel } from 'node:diagnostics_channel'
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { nullBackend } from '@lowlat/testing'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Backend, ModelSource, Plan } from './contract.ts'
import { createSession } from './create-session.ts'
import { BackendError, ModelError } from './errors.ts'
import { stampOf } from './model-source.ts'
import type { SessionOptions } from './session-options.ts'

const root = await mkdtemp(join(tmpdir(), 'lowlat-engine-test-'))
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
  vi.stubEnv('TMPDIR', folder)
})

const temporary = async () => (await readdir(folder)).filter((name) => name.startsWith('lowlat-'))
const fullDisk = () => Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })

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
    expect(await compilesOf(nullBackend(), [{}, { cache: { maxBytes: 5 } }])).toBe(2)
    expect(warn.mock.calls).toEqual(
      Array(2).fill([expect.stringContaining('cannot be written'), { code: 'LOWLAT_CACHE' }]),
    )
    await expect(createSession(path, { backend: nullBackend(), cache: { folder: file } })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      received: file,
    })
    vi.stubEnv('LOWLAT_CACHE_MAX_BYTES', 'lots')
    await expect(createSession(path, { backend: nullBackend() })).rejects.toMatchObject({ code: 'KNOB_INVALID' })
  })

  it('on a full disk: a warning by default, an error where its folder was named', async () => {
    const inner = nullBackend()
    const backend: Backend = {
      ...inner,
      compile: (model, options) =>
        options.workFolder.startsWith(join(folder, 'cache'))
          ? Promise.reject(fullDisk())
          : inner.compile(model, options),
    }
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    await (await createSession(path, { backend })).dispose()
    expect(warn.mock.calls).toEqual([[expect.stringContaining('the disk is full'), { code: 'LOWLAT_CACHE' }]])
    const cache = { folder: join(folder, 'cache') }
    await expect(createSession(path, { backend, cache })).rejects.toMatchObject({
      name: 'ConfigError',
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(cache.folder),
      cause: { code: 'ENOSPC' },
    })
    expect([await readdir(join(cache.folder, 'work')), await temporary()]).toEqual([[], []])
  })

  it('serves sessions that start together, however small it is', async () => {
    const contents = Array.from({ length: 6 }, (_, i) => Uint8Array.of(i))
    const backend = readingBackend()
    const cache = { folder: join(folder, 'small'), maxBytes: 0 }
    const sessions = await Promise.all(contents.map((bytes) => createSession(bytes, { backend, cache })))
    expect((await readdir(join(cache.folder, 'plans'))).length).toBeLessThanOrEqual(1) // each evicts the others
    // As a worker that replaces a dead one does.
    for (const [i, session] of sessions.entries()) {
      const payload = session.inspect().properties.payload as string
      expect(await readFile(payload)).toEqual(Buffer.from(contents[i]!))
      await session.dispose()
      await expect(stat(payload)).rejects.toMatchObject({ code: 'ENOENT' })
    }
    expect(await readdir(join(cache.folder, 'work'))).toEqual([])
  })
})

/** A backend whose plan is the model's content, and which reads it at load. */
function readingBackend(compiling: (model: ModelSource) => Promise<void> = async () => {}) {
  const inner = nullBackend()
  const backend: Backend & Pick<typeof inner, 'log'> = {
    ...inner,
    compile: async (model, options): Promise<Plan> => {
      const plan = await inner.compile(model, options)
      const bytes = model.kind === 'file' ? await readFile(model.path) : model.bytes
      await compiling(model)
      return { ...plan, payload: { kind: 'bytes', bytes } }
    },
    load: async (plan, options) => {
      if (plan.payload.kind === 'bytes') return inner.load(plan, options)
      const { path: payload } = plan.payload
      const text = await readFile(payload, 'utf8').catch((cause) => {
        throw new ModelError('PLAN_INVALID', { message: 'Gone.', remedy: 'Compile.', cause })
      })
      return {
        ...(await inner.load(plan, options)),
        inspect: () => ({ backend: 'null', properties: { payload, text } }),
      }
    },
  }
  return backend
}

describe('a model that changes while it is compiled', () => {
  const textOf = async (backend: Backend, options: SessionOptions = {}) => {
    await using session = await createSession(path, { backend, ...options })
    return session.inspect().properties.text
  }

  it('is compiled again, and the cache never holds one under the name of the other', async () => {
    let changes = ['after']
    const backend = readingBackend(async () => {
      for (const text of changes.splice(0)) await writeFile(path, text)
    })
    expect([await textOf(backend), backend.log.compiles]).toEqual(['after', 2])
    expect([await textOf(backend), backend.log.compiles]).toEqual(['after', 2])
    await writeFile(path, 'model')
    expect([await textOf(backend), backend.log.compiles]).toEqual(['model', 3])
    changes = ['once more']
    await (await createSession(path, { backend, cache: false })).dispose()
    expect(backend.log.compiles).toBe(5)
  })

  it('is compiled again when weights beside it changed', async () => {
    const weights = join(folder, 'weights.bin')
    await writeFile(weights, 'weights')
    const inner = nullBackend()
    const backend: Backend = {
      ...inner,
      compile: async (model, options) => {
        const dependencies = [await stampOf(weights)]
        if (inner.log.compiles === 0) await writeFile(weights, 'other weights')
        return { ...(await inner.compile(model, options)), dependencies }
      },
    }
    await (await createSession(path, { backend })).dispose()
    expect(inner.log.compiles).toBe(2)
    await (await createSession(path, { backend })).dispose()
    expect(inner.log.compiles).toBe(2)
  })

  it.each([true, false])('again and again is refused (cache: %s)', async (cache) => {
    let size = 0
    const backend = readingBackend(() => writeFile(path, 'x'.repeat(++size)))
    await expect(createSession(path, { backend, cache })).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      received: path,
      message: expect.stringContaining('changed while'),
    })
    expect([await temporary(), await readdir(join(folder, 'cache', 'plans')).catch(() => [])]).toEqual([[], []])
  })
})

describe('without the cache', () => {
  it('the work folder lives as long as its session', async () => {
    const backend = nullBackend()
    const session = await createSession(path, { backend, cache: false })
    expect(await temporary()).toEqual([expect.stringMatching(`^lowlat-${process.pid}-`)])
    await session.dispose()
    await session.dispose()
    expect([backend.log.alive, await temporary()]).toEqual([0, []])
  })

  it('what killed processes left behind goes, and folders of other kinds stay', async () => {
    const left = `lowlat-999999999-01234567-89ab-cdef-0123-456789abcdef`
    for (const name of [left, 'lowlat-others']) {
      await writeFile(join(folder, name), 'x')
      const longAgo = new Date(Date.now() - 2 * 3_600_000)
      await utimes(join(folder, name), longAgo, longAgo)
    }
    await (await createSession(path, { backend: nullBackend(), cache: false })).dispose()
    expect(await temporary()).toEqual(['lowlat-others'])
  })

  it('a full disk is named', async () => {
    const backend: Backend = { ...nullBackend(), compile: () => Promise.reject(fullDisk()) }
    await expect(createSession(path, { backend, cache: false })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`The temporary folder '${folder}' cannot be written`),
      remedy: expect.stringContaining('TMPDIR'),
    })
    vi.stubEnv('TMPDIR', join(dirname(path), 'model.onnx'))
    await expect(createSession(path, { backend: nullBackend(), cache: false })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      received: path,
    })
  })
})
