import { describe, expect, it } from 'vitest'
import { CapturePolicy } from './capture-policy.ts'

/** A policy with a cache of so many graphs, of which the least recently used goes: how often each key is captured. */
function capturesOf(maxGraphs: number, keys: readonly string[], expected: readonly string[] = []) {
  const policy = new CapturePolicy(maxGraphs)
  const graphs: string[] = []
  const captures: Record<string, number> = {}
  for (const key of keys) {
    policy.count(key)
    const at = graphs.indexOf(key)
    const displaced = graphs.length === maxGraphs ? graphs[0] : undefined
    if (at >= 0) graphs.splice(at, 1)
    else if (!policy.isWorthCapturing(key, expected.includes(key), displaced)) continue
    else {
      if (displaced !== undefined) graphs.shift()
      captures[key] = (captures[key] ?? 0) + 1
    }
    graphs.push(key)
  }
  return { captures, graphs }
}
const cycle = (keys: readonly string[], times: number) => Array.from({ length: times }, () => keys).flat()

describe('what is worth a graph', () => {
  it('is what comes again, and what is expected at once, while there is room', () => {
    expect(capturesOf(2, ['a', 'b', 'a']).captures).toEqual({ a: 1 })
    expect(capturesOf(2, ['a', 'b'], ['b']).captures).toEqual({ b: 1 })
  })

  it('is not what would push out its equals: shapes in turn are captured once', () => {
    expect(capturesOf(2, cycle(['a', 'b', 'c'], 50)).captures).toEqual({ a: 1, b: 1 })
    expect(capturesOf(1, cycle(['a', 'b'], 50), ['a', 'b']).captures).toEqual({ a: 1 })
  })

  it('is what comes more often than what goes', () => {
    const { captures, graphs } = capturesOf(1, ['a', 'a', 'b', 'b', 'b', 'b'])
    expect([captures, graphs]).toEqual([{ a: 1, b: 1 }, ['b']])
    expect(capturesOf(1, ['a', 'a', 'b', 'b', 'b']).captures).toEqual({ a: 1 })
  })

  it('is what comes now rather than what came often once', () => {
    const { graphs } = capturesOf(2, [...cycle(['a', 'b'], 1000), ...cycle(['c', 'd'], 100)])
    expect([...graphs].sort()).toEqual(['c', 'd'])
  })

  it('forgets what ran long ago', () => {
    const others = Array.from({ length: 300 }, (_, index) => String(index))
    expect(capturesOf(16, ['a', ...others, 'a']).captures).toEqual({})
    expect(capturesOf(16, ['a', ...others.slice(0, 200), 'a']).captures).toEqual({ a: 1 })
  })

  it('is every shape that comes in turn where all have room, however many these are', () => {
    const shapes = Array.from({ length: 600 }, (_, index) => String(index))
    expect(capturesOf(1000, cycle(shapes, 2)).graphs).toEqual(shapes)
    expect(capturesOf(500, cycle(shapes, 3)).graphs).toHaveLength(500)
  })
})
