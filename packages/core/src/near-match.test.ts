import { describe, expect, it } from 'vitest'
import { nearMatch } from './near-match.ts'

const known = ['contexts', 'cache', 'warmup', 'maxQueue', 'min', 'max']

describe('nearMatch', () => {
  it.each([
    ['context', 'contexts'],
    ['contxets', 'contexts'],
    ['warmUp', 'warmup'],
    ['caches', 'cache'],
    ['maxqueue', 'maxQueue'],
    ['maxQeue', 'maxQueue'],
    ['mix', 'min'],
    ['MAX', 'max'],
  ])('%s: %s', (name, expected) => {
    expect(nearMatch(name, known)).toBe(expected)
  })

  it.each(['', 'threads', 'x', 'queueLimit', 'constructor', 'c'.repeat(1e6)])('nothing for %.20s', (name) => {
    expect(nearMatch(name, known)).toBeUndefined()
  })
})
