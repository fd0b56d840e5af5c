import { describe, expect, it } from 'vitest'
import { SharedCache } from './shared-cache.ts'

function cacheOf(maxIdle: number) {
  const disposed: string[] = []
  let made = 0
  const cache = new SharedCache<{ key: string } & AsyncDisposable>(maxIdle)
  const acquire = (key: string) =>
    cache.acquire(key, async () => {
      made++
      return {
        key,
        async [Symbol.asyncDispose]() {
          disposed.push(key)
        },
      }
    })
  return { cache, acquire, disposed, made: () => made }
}

describe('values that are shared', () => {
  it('are made once, also when asked for at the same time', async () => {
    const { acquire, made } = cacheOf(2)
    const leases = await Promise.all([acquire('a'), acquire('a'), acquire('b')])
    expect([leases[0]!.value === leases[1]!.value, made()]).toEqual([true, 2])
  })

  it('stay while somebody uses them, and the last ones beyond', async () => {
    const { acquire, disposed } = cacheOf(1)
    const [a, again, b, c] = [await acquire('a'), await acquire('a'), await acquire('b'), await acquire('c')]
    await a.release()
    await a.release()
    expect(disposed).toEqual([])
    await b.release()
    await c.release()
    expect(disposed).toEqual(['b'])
    await again.release()
    expect(disposed).toEqual(['b', 'c'])
    expect((await acquire('a')).value).toBe(a.value)
  })

  it('that cannot be made are tried again', async () => {
    const { cache, acquire, made } = cacheOf(1)
    await expect(cache.acquire('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    await acquire('a')
    expect(made()).toBe(1)
  })

  it('go with the cache', async () => {
    const { cache, acquire, disposed } = cacheOf(5)
    await acquire('a')
    await (await acquire('b')).release()
    await cache[Symbol.asyncDispose]()
    expect(disposed.sort()).toEqual(['a', 'b'])
  })
})
