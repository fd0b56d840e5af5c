import { describe, expect, it } from 'vitest'
import { attachment, imageTransform, RequestContext } from './request.ts'
import { Timeline } from './timeline.ts'

const request = () => new RequestContext({ timeline: new Timeline(0) })

describe('a request context', () => {
  it('has no deadline, no signal and priority 0 unless given', () => {
    const context = request()
    expect([context.signal, context.deadlineUs, context.priority]).toEqual([undefined, undefined, 0])
    const { signal } = new AbortController()
    expect(new RequestContext({ timeline: new Timeline(0), signal, deadlineUs: 5, priority: -2 })).toMatchObject({
      signal,
      deadlineUs: 5,
      priority: -2,
    })
  })

  it('carries facts from stage to stage, by key and not by name', () => {
    const [a, b] = [attachment<number>('size'), attachment<number>('size')]
    const context = request()
    expect(context.get(a)).toBeUndefined()
    context.attach(a, 1)
    expect([context.get(a), context.get(b)]).toEqual([1, undefined])
    context.attach(a, 2)
    expect(context.require(a, '')).toBe(2)
    expect(request().get(a)).toBeUndefined()
  })

  it('keeps falsy facts', () => {
    const key = attachment<number | null>('falsy')
    const context = request()
    for (const value of [0, null]) {
      context.attach(key, value)
      expect(context.require(key, '')).toBe(value)
    }
  })

  it('says which fact is missing, and the remedy of who needs it', () => {
    expect(() => request().require(imageTransform, 'Put decodeImage() before it.')).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        expected: 'image transform',
        message: "Expected an earlier stage to attach 'image transform', but none did. Put decodeImage() before it.",
      }),
    )
  })

  it.each([
    [null],
    [{ timeline: new Timeline(0), signal: new AbortController() }],
    [{ timeline: new Timeline(0), priority: Number.NaN }],
    [{ timeline: new Timeline(0), deadlineMs: 5 }],
  ])('is not made of %o', (fields) => {
    expect(() => new RequestContext(fields as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})
