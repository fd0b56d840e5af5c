import { describe, expect, it } from 'vitest'
import { acquire, disposeAfter, Resources } from './resources.ts'

function things() {
  const disposed: string[] = []
  const thing = (name: string, fails = false) => ({
    name,
    [Symbol.dispose]() {
      disposed.push(name)
      if (fails) throw new Error(`${name} is stuck`)
    },
  })
  return { disposed, thing }
}

describe('resources', () => {
  it('go in reverse order, once', () => {
    const { disposed, thing } = things()
    const resources = new Resources()
    expect(resources.own(thing('a')).name).toBe('a')
    resources.own(thing('b'))
    resources.dispose()
    resources.dispose()
    expect(disposed).toEqual(['b', 'a'])
  })

  it('all go, also where some fail', () => {
    const { disposed, thing } = things()
    const resources = new Resources()
    for (const [name, fails] of [['a'], ['b', true], ['c']] as const) resources.own(thing(name, fails))
    expect(() => resources.dispose()).toThrow('b is stuck')
    expect(disposed).toEqual(['c', 'b', 'a'])
    resources.own(thing('d', true))
    resources.own(thing('e', true))
    expect(() => resources.dispose()).toThrow(AggregateError)
  })

  it('stay where all could be acquired, and go where not, for the reason why', () => {
    const { disposed, thing } = things()
    const owned = acquire((resources) => {
      resources.own(thing('a'))
      return resources
    })
    expect(disposed).toEqual([])
    owned.dispose()
    const failing = () =>
      acquire((resources) => {
        resources.own(thing('b', true))
        throw new Error('no more')
      })
    expect(failing).toThrow('no more')
    disposeAfter(new Error('before'), thing('c', true))
    expect(disposed).toEqual(['a', 'b', 'c'])
  })
})
