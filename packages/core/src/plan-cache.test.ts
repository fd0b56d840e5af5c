import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ModelSource, Plan } from './contract.ts'
import { ModelError } from './errors.ts'
import { stampOf } from './model-source.ts'
import { type CacheRejection, PlanCache } from './plan-cache.ts'

const root = await mkdtemp(join(tmpdir(), 'lowlat-cache-test-'))
afterAll(() => rm(root, { recursive: true, force: true }))
afterEach(() => vi.unstubAllEnvs())

let folder: string
let cache: PlanCache
let rejected: CacheRejection[]
beforeEach(async () => {
  folder = await mkdtemp(join(root, 'test-'))
  rejected = []
  cache = open()
})

const open = (maxBytes = 1e9) => new PlanCache({ folder, maxBytes, onRejected: (entry) => rejected.push(entry) })
const model: ModelSource = { kind: 'bytes', bytes: Uint8Array.of(1, 2, 3) }
const parts = { backend: 'null', precision: 'model', profiles: [], environment: { version: 1 } }

const planOf = (bytes: Uint8Array, more: Partial<Plan> = {}): Plan => ({
  backend: 'null',
  inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 4] }],
  outputs: [{ name: 'y', dtype: 'int64', shape: [] }],
  profiles: [{ x: { min: [1, 4], opt: [2, 4], max: [8, 4] } }],
  metadata: { nested: { list: [1, 'two', null] } },
  payload: { kind: 'bytes', bytes },
  ...more,
})
const put = (key: string, text = 'payload', more: Partial<Plan> = {}, source: ModelSource = model) =>
  cache.put(key, source, async () => planOf(Buffer.from(text), more))
const payloadOf = async (plan: Plan | undefined) =>
  plan?.payload.kind === 'file' ? readFile(plan.payload.path, 'utf8') : undefined
const pathOf = (key: string, file: string) => join(folder, 'plans', key, file)
/** What is being made or removed; leases are for plan-cache-lease.test.ts. */
const inWork = async () => (await readdir(join(folder, 'work'))).filter((name) => !name.startsWith('lease-'))
/** Payloads are written once, so that damage has to take some trouble. */
const damage = async (path: string, text: string) => {
  await chmod(path, 0o644)
  await writeFile(path, text)
}
const setAge = async (path: string, ageMs: number) => {
  const time = new Date(Date.now() - ageMs)
  await utimes(path, time, time)
}

describe('keys', () => {
  it('are equal for equal content, wherever the model lies and however the parts are ordered', async () => {
    const [a, b] = [join(folder, 'a.onnx'), join(folder, 'b.onnx')]
    for (const path of [a, b]) await writeFile(path, Uint8Array.of(1, 2, 3))
    const environment = { one: 1, two: { b: [2], a: 1 } }
    const keys = [
      await cache.keyFor({ kind: 'file', path: a }, { ...parts, environment }),
      await cache.keyFor({ kind: 'file', path: b }, { ...parts, environment: { two: { a: 1, b: [2] }, one: 1 } }),
      await cache.keyFor(model, { environment, profiles: [], precision: 'model', backend: 'null' }),
    ]
    expect(new Set(keys).size).toBe(1)
    expect(keys[0]).toMatch(/^[0-9a-f]{64}$/)
  })

  it('differ with the model and with every part', async () => {
    const range = { min: [1, 4], opt: [1, 4], max: [1, 4] }
    const keys = await Promise.all([
      cache.keyFor(model, parts),
      cache.keyFor({ kind: 'bytes', bytes: Uint8Array.of(1, 2, 4) }, parts),
      cache.keyFor(model, { ...parts, backend: 'other' }),
      cache.keyFor(model, { ...parts, precision: 'int8' }),
      cache.keyFor(model, { ...parts, profiles: [{ x: range }] }),
      cache.keyFor(model, { ...parts, environment: { version: 2 } }),
    ])
    expect(new Set(keys).size).toBe(6)
  })

  it('remember the hash of a file until it changes, and survive damage to that memory', async () => {
    const path = join(folder, 'model.onnx')
    await writeFile(path, 'first')
    const source: ModelSource = { kind: 'file', path }
    const first = await cache.keyFor(source, parts)
    const [memory] = await readdir(join(folder, 'models'))
    const remembered = join(folder, 'models', memory!)
    // The memory is believed: with another hash in it the key is another one, so the file was not read again.
    const fact = JSON.parse(await readFile(remembered, 'utf8'))
    await writeFile(remembered, JSON.stringify({ ...fact, sha256: 'other' }))
    expect(await cache.keyFor(source, parts)).not.toBe(first)
    for (const damage of ['', '{', '[]', '{"sha256":7}']) {
      await writeFile(remembered, damage)
      expect(await cache.keyFor(source, parts)).toBe(first)
    }
    await writeFile(path, 'other')
    expect(await cache.keyFor(source, parts)).not.toBe(first)
    await writeFile(path, 'first')
    expect(await cache.keyFor(source, parts)).toBe(first)
  })

  it('of an environment that is not JSON say so', async () => {
    const circular: Record<string, unknown> = {}
    circular.self = circular
    for (const environment of [{ threads: 1n }, circular]) {
      await expect(cache.keyFor(model, { ...parts, environment })).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining("'null'"),
      })
    }
  })

  it('of a missing model say so', async () => {
    const source: ModelSource = { kind: 'file', path: join(folder, 'missing.onnx') }
    await expect(cache.keyFor(source, parts)).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
  })
})

describe('put and get', () => {
  it('give the plan back, with its payload as a file', async () => {
    expect(await cache.get('key', model)).toBeUndefined()
    const stored = await put('key')
    const { payload: _, ...facts } = planOf(new Uint8Array())
    for (const plan of [stored, await cache.get('key', model), await open().get('key', model)]) {
      expect(plan).toMatchObject(facts)
      expect(await payloadOf(plan)).toBe('payload')
    }
    expect(rejected).toEqual([])
    expect(await inWork()).toEqual([])
  })

  it('take the payload from the work folder, and leave other files where they are', async () => {
    const outside = join(folder, 'model.onnx')
    await writeFile(outside, 'the model itself')
    let inside = ''
    await cache.put('moved', model, async (work) => {
      expect(await readdir(work)).toEqual([])
      inside = join(work, 'built')
      await writeFile(inside, 'built')
      return planOf(new Uint8Array(), { payload: { kind: 'file', path: inside } })
    })
    await cache.put('copied', model, async () => planOf(new Uint8Array(), { payload: { kind: 'file', path: outside } }))
    expect(await payloadOf(await cache.get('moved', model))).toBe('built')
    expect(await payloadOf(await cache.get('copied', model))).toBe('the model itself')
    expect(await readFile(outside, 'utf8')).toBe('the model itself')
    await expect(stat(inside)).rejects.toThrow()
  })

  it('leave nothing behind when compiling fails', async () => {
    const failing = cache.put('key', model, async (work) => {
      await writeFile(join(work, 'half'), 'x')
      throw new Error('cannot compile')
    })
    await expect(failing).rejects.toThrow('cannot compile')
    expect([await inWork(), await cache.get('key', model)]).toEqual([[], undefined])
  })

  it('keep the plan of whoever was faster, if it can be used, and replace it if not', async () => {
    await put('key', 'first')
    expect(await payloadOf(await put('key', 'second'))).toBe('first')
    await damage(pathOf('key', 'payload'), 'damage')
    expect(await payloadOf(await put('key', 'third'))).toBe('third')
    expect(await payloadOf(await cache.get('key', model))).toBe('third')
    await cache.reject('key', 'does not load')
    expect(rejected.at(-1)).toEqual({ key: 'key', reason: 'does not load' })
    expect(await payloadOf(await put('key', 'fourth'))).toBe('fourth')
  })
})

describe('damage', () => {
  const edit = (change: (text: string) => string) => async () => {
    const path = pathOf('key', 'plan.json')
    await writeFile(path, change(await readFile(path, 'utf8')))
  }

  it.each<[string, () => Promise<unknown>]>([
    ['a truncated payload', () => damage(pathOf('key', 'payload'), 'payl')],
    ['a longer payload', () => damage(pathOf('key', 'payload'), 'payload!')],
    ['changed bytes in the payload', () => damage(pathOf('key', 'payload'), 'Payload')],
    ['a missing payload', () => rm(pathOf('key', 'payload'))],
    ['a folder for a payload', () => rm(pathOf('key', 'payload')).then(() => mkdir(pathOf('key', 'payload')))],
    ['an empty manifest', edit(() => '')],
    ['a truncated manifest', edit((text) => text.slice(0, text.length / 2))],
    ['garbage for a manifest', edit(() => '\u0000\u0001 garbage')],
    ['a manifest of another kind', edit(() => '{"hello":"world"}')],
    ['null for a manifest', edit(() => 'null')],
    ['a changed shape in the manifest', edit((text) => text.replace('"batch",4', '"batch",5'))],
    ['a changed dtype in the manifest', edit((text) => text.replace('float32', 'float64'))],
  ])('%s is noticed, reported, removed and built again', async (_, harm) => {
    await put('key')
    await harm()
    expect(await cache.get('key', model)).toBeUndefined()
    expect(rejected).toEqual([{ key: 'key', reason: expect.stringMatching(/./) }])
    expect(await readdir(join(folder, 'plans'))).toEqual([])
    await put('key', 'again')
    expect(await payloadOf(await cache.get('key', model))).toBe('again')
  })

  it('a missing manifest counts as a miss, and the entry is replaced', async () => {
    await put('key')
    await rm(pathOf('key', 'plan.json'))
    expect(await cache.get('key', model)).toBeUndefined()
    await put('key', 'again')
    expect(await payloadOf(await cache.get('key', model))).toBe('again')
  })

  it('a file in place of the entry counts as a miss, and is replaced', async () => {
    await mkdir(join(folder, 'plans'))
    await writeFile(join(folder, 'plans', 'key'), 'x')
    expect(await cache.get('key', model)).toBeUndefined()
    expect(await payloadOf(await put('key'))).toBe('payload')
    expect(await payloadOf(await cache.get('key', model))).toBe('payload')
    expect(await inWork()).toEqual([])
  })

  it('a payload that was only touched or copied passes by its checksum', async () => {
    await put('key')
    await setAge(pathOf('key', 'payload'), 5000)
    expect(await payloadOf(await cache.get('key', model))).toBe('payload')
    expect(rejected).toEqual([])
  })
})

describe('files beside the model', () => {
  const beside = async (name: string, text: string) => {
    const place = join(folder, name)
    await mkdir(place, { recursive: true })
    await writeFile(join(place, 'weights.bin'), text)
    const source: ModelSource = { kind: 'file', path: join(place, 'model.onnx') }
    return { source, dependencies: [await stampOf(join(place, 'weights.bin'))] }
  }

  it('make a plan stale when they change or vanish', async () => {
    for (const change of [(path: string) => writeFile(path, 'other'), (path: string) => rm(path)]) {
      const { source, dependencies } = await beside('a', 'weights')
      await put('key', 'payload', { dependencies }, source)
      expect((await cache.get('key', source))?.dependencies).toEqual(dependencies)
      await change(join(folder, 'a', 'weights.bin'))
      expect(await cache.get('key', source)).toBeUndefined()
    }
    expect(rejected).toHaveLength(2)
  })

  it('are those beside this model, not beside an equal one at another place', async () => {
    const a = await beside('a', 'weights')
    const b = await beside('b', 'others!')
    await setAge(join(folder, 'b', 'weights.bin'), 60_000)
    await put('key', 'plan of a', { dependencies: a.dependencies }, a.source)
    expect(await cache.get('key', b.source)).toBeUndefined()
    expect(rejected[0]?.reason).toContain(join(folder, 'b', 'weights.bin'))
  })
})

describe('size', () => {
  const kilobyte = 'x'.repeat(1000)
  const fill = async (...keys: string[]) => {
    for (const [i, key] of keys.entries()) {
      await put(key, kilobyte)
      await setAge(pathOf(key, 'plan.json'), (keys.length - i) * 60_000)
    }
  }
  const entries = async () => (await readdir(join(folder, 'plans'))).sort()

  it('is bounded: the least recently used entries go', async () => {
    cache = open(3000)
    await fill('a', 'b', 'c')
    expect(await payloadOf(await cache.get('a', model))).toBe(kilobyte)
    await put('d', kilobyte)
    expect(await entries()).toEqual(['a', 'c', 'd'])
  })

  it('the new entry stays, even if it is too large alone', async () => {
    cache = open(3000)
    await fill('a', 'b')
    await put('huge', 'x'.repeat(5000))
    expect(await entries()).toEqual(['huge'])
  })

  it('0 keeps the newest only', async () => {
    cache = open(0)
    await fill('a', 'b')
    expect(await entries()).toEqual(['b'])
  })

  it('entries that lack a file go in any case', async () => {
    await fill('a', 'b', 'c')
    await rm(pathOf('a', 'plan.json'))
    await rm(pathOf('b', 'payload'))
    await put('d')
    expect(await entries()).toEqual(['c', 'd'])
  })

  it('what killed processes and forgotten models left behind goes after a while', async () => {
    const day = 24 * 3_600_000
    const left = 'build-999999999-00000000-0000-0000-0000-000000000000'
    for (const [place, name, ageMs] of [
      ['work', left, 0.1 * day],
      ['models', 'old', 31 * day],
      ['models', 'known', 29 * day],
    ] as const) {
      await mkdir(join(folder, place, name, 'inner'), { recursive: true })
      await setAge(join(folder, place, name), ageMs)
    }
    await put('key')
    expect(await inWork()).toEqual([])
    expect(await readdir(join(folder, 'models'))).toEqual(['known'])
  })
})

describe('settings', () => {
  it('come from options, else from knobs, else from the platform', () => {
    vi.stubEnv('LOWLAT_CACHE_DIR', join(root, 'knob'))
    vi.stubEnv('LOWLAT_CACHE_MAX_BYTES', '5')
    expect(new PlanCache()).toMatchObject({ folder: join(root, 'knob'), maxBytes: 5 })
    expect(new PlanCache({ folder: root, maxBytes: 6 })).toMatchObject({ folder: root, maxBytes: 6 })
    vi.stubEnv('LOWLAT_CACHE_DIR', '')
    vi.stubEnv('LOWLAT_CACHE_MAX_BYTES', '')
    vi.stubEnv('XDG_CACHE_HOME', join(root, 'xdg'))
    expect(new PlanCache()).toMatchObject({ folder: join(root, 'xdg', 'lowlat'), maxBytes: 8 * 2 ** 30 })
    vi.stubEnv('XDG_CACHE_HOME', '')
    expect(new PlanCache().folder).toContain('lowlat')
  })

  it('a relative folder stays where it was when the process goes elsewhere', () => {
    expect(new PlanCache({ folder: 'here' }).folder).toBe(join(process.cwd(), 'here'))
  })

  it('a cache that cannot be written says so, after it could not give anything', async () => {
    const file = join(folder, 'file')
    await writeFile(file, 'in the way')
    const blocked = new PlanCache({ folder: file })
    const path = join(folder, 'model.onnx')
    await writeFile(path, 'model')
    const key = await blocked.keyFor({ kind: 'file', path }, parts)
    expect(await blocked.get(key, model)).toBeUndefined()
    let compiled = 0
    const putting = blocked.put(key, model, async () => {
      compiled++
      return planOf(new Uint8Array(1))
    })
    await expect(putting).rejects.toMatchObject({
      name: 'ConfigError',
      code: 'CONFIG_INVALID',
      received: file,
      details: { storage: file },
      message: expect.stringContaining('LOWLAT_CACHE_DIR'),
    })
    expect(compiled).toBe(0)
    await expect(blocked.reject(key, 'x')).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  it.each(['work', ''])('a cache that is cleared during a compile (%s/*) gives the same error', async (cleared) => {
    const putting = cache.put('key', model, async () => {
      await rm(join(folder, cleared), { recursive: true })
      throw new ModelError('MODEL_INVALID', { message: 'Cannot open optimized.onnx.', remedy: 'Mend the model.' })
    })
    await expect(putting).rejects.toMatchObject({ code: 'CONFIG_INVALID', details: { storage: folder } })
    expect(await payloadOf(await put('key'))).toBe('payload')
  })

  it('a disk that fails after compiling gives the same error', async () => {
    const putting = cache.put('key', model, async (work) => {
      await rm(work, { recursive: true })
      return planOf(new Uint8Array(1))
    })
    await expect(putting).rejects.toMatchObject({ code: 'CONFIG_INVALID', details: { storage: folder } })
  })
})

describe('many at once', () => {
  it('in one process: whoever asks gets a whole plan', async () => {
    const plans = await Promise.all(
      Array.from({ length: 24 }, (_, i) => put(`key ${i % 3}`, `payload ${i % 3} ${'x'.repeat(10_000)}`)),
    )
    for (const [i, plan] of plans.entries()) {
      expect((await payloadOf(plan))?.slice(0, 9)).toBe(`payload ${i % 3}`)
    }
    expect(await inWork()).toEqual([])
    expect(rejected).toEqual([])
  })

  it('in several processes: no half entries, no leftovers', async () => {
    // Every process stores and reads the same few keys, throws entries out now and then, and checks what it gets.
    const script = `
      import { readFile } from 'node:fs/promises'
      import { PlanCache } from '@lowlat/core'
      const [folder, seed] = process.argv.slice(1)
      const expected = /thrown out|ENOENT/ // removed by another process between two looks
      const cache = new PlanCache({ folder, onRejected: ({ reason }) => expected.test(reason) || console.log(reason) })
      const model = { kind: 'bytes', bytes: new Uint8Array(1) }
      let hits = 0
      for (let i = 0; i < 60; i++) {
        const key = 'key' + ((i * 7 + Number(seed)) % 4)
        const bytes = Buffer.alloc(20000, key)
        const payload = { kind: 'bytes', bytes }
        const compile = async () => ({ backend: 'b', inputs: [], outputs: [], profiles: [], metadata: { key }, payload })
        const found = await cache.get(key, model)
        const plan = found ?? (await cache.put(key, model, compile))
        if (found) hits++
        if (plan.metadata.key !== key) throw new Error('the plan of another key')
        if (!(await readFile(plan.payload.path)).equals(bytes)) throw new Error('half a payload')
        if (i % 2) await plan[Symbol.asyncDispose]()
        if (i % 15 === 14) await cache.reject(key, 'thrown out')
      }
      console.log('hits', hits > 0)
    `
    const options = { cwd: fileURLToPath(new URL('..', import.meta.url)) }
    const flags = ['--conditions=@lowlat/source', '--import', 'tsx', '--input-type=module', '-e', script, '--', folder]
    const runs = [1, 2, 3].map((seed) => promisify(execFile)(process.execPath, [...flags, `${seed}`], options))
    for (const { stdout } of await Promise.all(runs)) expect(stdout).toBe('hits true\n')
    expect(await readdir(join(folder, 'work'))).toEqual([])
    for (const key of await readdir(join(folder, 'plans'))) expect(await cache.get(key, model)).toBeDefined()
  })
})
