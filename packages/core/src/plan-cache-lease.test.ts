import { link, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ModelSource, Plan } from './contract.ts'
import { PlanCache } from './plan-cache.ts'

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>()
  return { ...real, link: vi.fn(real.link) }
})

const root = await mkdtemp(join(tmpdir(), 'lowlat-lease-test-'))
afterAll(() => rm(root, { recursive: true, force: true }))

let folder: string
let cache: PlanCache
beforeEach(async () => {
  folder = await mkdtemp(join(root, 'test-'))
  cache = new PlanCache({ folder })
})

const model: ModelSource = { kind: 'bytes', bytes: Uint8Array.of(1) }
const planOf = (text: string): Plan => ({
  backend: 'null',
  inputs: [],
  outputs: [],
  profiles: [],
  metadata: {},
  payload: { kind: 'bytes', bytes: Buffer.from(text) },
})
const put = (key: string, text = key) => cache.put(key, model, async () => planOf(text))
const textOf = async (plan: Plan | undefined) =>
  plan?.payload.kind === 'file' ? readFile(plan.payload.path, 'utf8') : undefined
const pathOf = ({ payload }: Plan) => (payload.kind === 'file' ? payload.path : '')
const leases = () => readdir(join(folder, 'work'))

describe('a plan that was handed out', () => {
  it('outlives its entry, thrown out or evicted, until it is disposed', async () => {
    cache = new PlanCache({ folder, maxBytes: 0 })
    const plans = [await put('a'), (await cache.get('a', model))!]
    await cache.reject('a', 'thrown out')
    plans.push(await put('b'), await put('c')) // c evicts b
    expect(await readdir(join(folder, 'plans'))).toEqual(['c'])
    expect(await Promise.all(plans.map(textOf))).toEqual(['a', 'a', 'b', 'c'])
    expect(await leases()).toHaveLength(4)
    for (const plan of plans) {
      await plan[Symbol.asyncDispose]()
      await plan[Symbol.asyncDispose]()
    }
    expect(await leases()).toEqual([])
    expect(await textOf(await cache.get('c', model))).toBe('c')
  })

  it('is a link to the payload, not a copy, under the name that payloads have', async () => {
    const plan = await put('a')
    expect(pathOf(plan)).toMatch(/work.lease-\d+-[0-9a-f-]{36}.payload$/)
    expect(plan.payload).not.toEqual((await cache.get('a', model))!.payload)
    expect((await stat(pathOf(plan))).ino).toBe((await stat(join(folder, 'plans', 'a', 'payload'))).ino)
  })

  it('can only be read, since others map it', async () => {
    expect((await stat(pathOf(await put('a')))).mode & 0o777).toBe(0o444)
  })

  it('is the plan of whoever was faster, and holds that one alone', async () => {
    await (await put('a', 'first'))[Symbol.asyncDispose]()
    const second = await put('a', 'second')
    expect([await textOf(second), await leases()]).toEqual(['first', [expect.stringMatching(/^lease-/)]])
  })

  it('leaves nothing behind when the entry turns out to be damaged', async () => {
    await (await put('a'))[Symbol.asyncDispose]()
    await rm(join(folder, 'plans', 'a', 'payload'))
    expect(await cache.get('a', model)).toBeUndefined()
    expect(await leases()).toEqual([])
  })

  it.each(['EPERM', 'EXDEV', 'EMLINK', 'ENOTSUP'])(
    'is used in its entry where no link can be made (%s)',
    async (code) => {
      vi.mocked(link).mockRejectedValue(Object.assign(new Error(code), { code }))
      try {
        const stored = await put('a')
        const found = (await cache.get('a', model))!
        for (const plan of [stored, found]) {
          expect(pathOf(plan)).toBe(join(folder, 'plans', 'a', 'payload'))
          await plan[Symbol.asyncDispose]()
        }
        expect([await textOf(found), await leases()]).toEqual(['a', []])
      } finally {
        vi.mocked(link).mockReset()
      }
    },
  )

  it('is a miss when its entry goes while it is taken', async () => {
    await put('a')
    const real = vi.mocked(link).getMockImplementation()!
    vi.mocked(link).mockImplementationOnce(async (from, to) => {
      await cache.reject('a', 'thrown out')
      return real(from, to)
    })
    expect(await cache.get('a', model)).toBeUndefined()
  })
})
