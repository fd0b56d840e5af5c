import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { onAbort } from './abort.ts'

describe('onAbort', () => {
  it('calls everybody who watches, once, in order', () => {
    const controller = new AbortController()
    const calls: number[] = []
    for (let i = 0; i < 100; i++) onAbort(controller.signal, () => calls.push(i))
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1)
    controller.abort()
    controller.abort()
    expect(calls).toEqual(Array.from({ length: 100 }, (_, i) => i))
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('forgets who stopped, and the signal after the last one', () => {
    const controller = new AbortController()
    const calls: string[] = []
    const stops = ['a', 'b'].map((name) => onAbort(controller.signal, () => calls.push(name)))
    stops[0]!()
    stops[0]!()
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1)
    stops[1]!()
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    onAbort(controller.signal, () => calls.push('again'))
    stops[1]!()
    controller.abort()
    expect(calls).toEqual(['again'])
  })

  it('lets callbacks stop themselves and one another', () => {
    const controller = new AbortController()
    const calls: string[] = []
    const stopA = onAbort(controller.signal, () => {
      calls.push('a')
      stopA()
      stopB()
    })
    const stopB = onAbort(controller.signal, () => calls.push('b'))
    controller.abort()
    expect(calls).toEqual(['a'])
  })

  it('leaves no trace of what is no signal', () => {
    const controller = new AbortController() as unknown as AbortSignal
    for (let i = 0; i < 2; i++) expect(() => onAbort(controller, () => {})).toThrow('addEventListener')
  })
})
