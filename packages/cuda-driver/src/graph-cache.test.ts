import { describe, expect, it } from 'vitest'
import { GraphCache, graphKey } from './graph-cache.ts'

function cacheOf(maxGraphs: number) {
  const disposed: string[] = []
  const cache = new GraphCache<AsyncDisposable & { key: string }>(maxGraphs)
  const graphOf = (key: string) => ({
    key,
    async [Symbol.asyncDispose]() {
      disposed.push(key)
      if (key === 'stuck') throw new Error('stuck')
    },
  })
  const add = (key: string) => cache.add(key, () => graphOf(key))
  return { cache, add, graphOf, disposed }
}

describe('captured graphs', () => {
  it('go when there are too many: the least recently used first', async () => {
    const { cache, add, disposed } = cacheOf(2)
    await add('a')
    expect(cache.displaced).toBeUndefined()
    await add('b')
    expect(cache.displaced).toBe('a')
    expect(cache.get('a')).toMatchObject({ key: 'a' })
    expect(cache.displaced).toBe('b')
    await add('c')
    expect([disposed, cache.get('b'), cache.size]).toEqual([['b'], undefined, 2])
  })

  it('make room before the next is captured, which may need all of it', async () => {
    const { cache, add, graphOf, disposed } = cacheOf(2)
    await add('a')
    await add('b')
    await cache.add('c', async () => {
      expect(disposed).toEqual(['a'])
      await cache.clear()
      return graphOf('c')
    })
    expect([disposed, cache.size]).toEqual([['a', 'b'], 1])
  })

  it('that cannot be captured leave the others', async () => {
    const { cache, add } = cacheOf(3)
    await add('a')
    await expect(cache.add('b', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect([cache.size, cache.get('b')]).toEqual([1, undefined])
  })

  it('all go with the cache, also where one cannot be freed', async () => {
    const { cache, add, disposed } = cacheOf(3)
    for (const key of ['a', 'stuck', 'b']) await add(key)
    await expect(cache[Symbol.asyncDispose]()).rejects.toThrow('stuck')
    expect([disposed, cache.size]).toEqual([['a', 'stuck', 'b'], 0])
  })

  it('are told apart by shapes and outputs, in whatever order these are named', () => {
    const shapes = [[1, 3], [12], []]
    expect(graphKey(shapes, ['x', 'y'])).toBe(graphKey(shapes, ['y', 'x']))
    const keys = [graphKey(shapes), graphKey([[1, 31], [2], []]), graphKey(shapes, []), graphKey(shapes, ['x'])]
    expect(new Set(keys).size).toBe(4)
  })
})
