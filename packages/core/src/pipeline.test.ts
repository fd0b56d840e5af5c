import { getEventListeners } from 'node:events'
import { FakeClock } from '@lowlat/testing'
import { beforeEach, describe, expect, expectTypeOf, it } from 'vitest'
import { type Pipeline, pipeline } from './pipeline.ts'
import { attachment, RequestContext } from './request.ts'
import type { Stage } from './stage.ts'
import { Timeline } from './timeline.ts'

let clock: FakeClock
beforeEach(() => {
  clock = new FakeClock()
})

const sleep = (us: number) => new Promise<void>((resolve) => clock.setTimer(us, resolve))
const codeOf = (promise: Promise<unknown>) => promise.catch((error) => error.code ?? error.message)

describe('a pipeline', () => {
  it('hands each result to the next stage, waits for promises, and takes functions for stages', async () => {
    const length: Stage<string, number> = { name: 'length', run: (text) => text.length }
    const p = pipeline((text: string) => text.trim())
      .pipe(length)
      .pipe(async (n) => n * 2)
      .pipe((n) => ({ n }))
    expect(await p.run('  abc ')).toEqual({ n: 6 })
  })

  it('infers types from stage to stage', () => {
    const parse: Stage<string, number> = { name: 'parse', run: Number }
    const p = pipeline(parse)
      .pipe(async (n) => {
        expectTypeOf(n).toEqualTypeOf<number>()
        return [n]
      })
      .pipe((list, request) => {
        expectTypeOf(list).toEqualTypeOf<number[]>()
        expectTypeOf(request).toEqualTypeOf<RequestContext>()
        return { list }
      })
    expectTypeOf(p).toEqualTypeOf<Pipeline<string, { list: number[] }>>()
    expectTypeOf(p.run('1')).toEqualTypeOf<Promise<{ list: number[] }>>()
    expectTypeOf(p.stream(['1'])).toEqualTypeOf<AsyncGenerator<{ list: number[] }, void, undefined>>()
    expectTypeOf(pipeline((text: string) => text).pipe(p)).toEqualTypeOf<Pipeline<string, { list: number[] }>>()
    // @ts-expect-error: the stage takes strings, the pipeline gives numbers
    pipeline((n: number) => n).pipe(parse)
    // @ts-expect-error: the pipeline takes strings
    void p.run(1).catch(() => {})
    // @ts-expect-error: the pipeline takes strings
    p.stream([1])
  })

  it('is immutable: pipe makes a new one, so beginnings can be shared', async () => {
    const begin = pipeline((n: number) => n + 1)
    const [double, text] = [begin.pipe((n) => n * 2), begin.pipe(String)]
    expect(await Promise.all([begin.run(1), double.run(1), text.run(1)])).toEqual([2, 4, '2'])
  })

  it('is a stage itself, under the same request', async () => {
    const key = attachment<string>('seen')
    const inner = pipeline((n: number, request) => {
      request.attach(key, 'inner')
      return n + 1
    })
    const outer = pipeline((n: number) => n * 10)
      .pipe(inner)
      .pipe((n, request) => [n, request.get(key), request.priority])
    expect(await outer.run(1, { priority: 3 })).toEqual([11, 'inner', 3])
  })

  it('is named after its stages', () => {
    const named = pipeline({ name: 'decode', run: (n: number) => n }).pipe(function softmax(n) {
      return n
    })
    expect(named.pipe((n) => n).name).toBe('decode > softmax > stage')
  })

  it('runs in the context that it is given', async () => {
    const context = new RequestContext({ timeline: new Timeline(0), priority: 4 })
    expect(await pipeline((_: number, request) => request).run(1, context)).toBe(context)
  })

  it('rejects with what a stage throws, now or later', async () => {
    const now = pipeline(() => {
      throw new Error('now')
    })
    const later = pipeline(async () => Promise.reject(new Error('later')))
    expect(await codeOf(now.run(1))).toBe('now')
    expect(await codeOf(later.run(1, { deadlineMs: 1000 }))).toBe('later')
  })

  it.each([undefined, null, 7, 'infer', {}, { run: 1 }])('refuses %j as a stage', (stage) => {
    const refusal = expect.objectContaining({ code: 'INVALID_ARGUMENT', received: stage })
    expect(() => pipeline(stage as never)).toThrow(refusal)
    expect(() => pipeline((n: number) => n).pipe(stage as never)).toThrow(refusal)
  })

  it.each([
    { deadlineMs: -1 },
    { deadlineMs: Number.NaN },
    { deadlineMs: '5' },
    { priority: Number.POSITIVE_INFINITY },
    { priority: '1' },
    { signal: {} },
    { timeline: {} },
    { priority: Object.create(null) },
    { deadline: 5 },
    { attach: 1 },
    null,
    5,
    'soon',
  ])('refuses the options %o', async (options) => {
    expect(await codeOf(pipeline((n: number) => n).run(1, options as never))).toBe('INVALID_ARGUMENT')
  })
})

describe('pipeline options', () => {
  it.each([null, 5, { clock: {} }, { clock: null }, { name: 'p' }])('%o are refused', (options) => {
    expect(() => pipeline((n: number) => n, options as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })
})

describe('timelines', () => {
  it('show each stage under its segment, and end with the request', async () => {
    const timeline = new Timeline(0)
    const p = pipeline({ name: 'decode', segment: 'preprocess', run: () => sleep(100) }, { clock })
      .pipe({ name: 'quiet', run: () => sleep(50) })
      .pipe({ name: 'top-k', segment: 'postprocess', run: () => 1 })
    const run = p.run(1, { timeline })
    await clock.advance(1000)
    await run
    expect(timeline.toJSON()).toMatchObject({
      totalUs: 150,
      spans: [
        { segment: 'preprocess', label: 'decode', startUs: 0, endUs: 100 },
        { segment: 'postprocess', label: 'top-k', startUs: 150, endUs: 150 },
      ],
    })
  })

  it('end also when the request fails', async () => {
    const timeline = new Timeline(0)
    const run = codeOf(
      pipeline(() => sleep(70).then(() => Promise.reject(new Error('x'))), { clock }).run(1, { timeline }),
    )
    await clock.advance(500)
    await run
    expect(timeline.totalUs).toBe(70)
  })
})

describe('deadlines and signals', () => {
  const stages = () => {
    const ran: string[] = []
    const stage = (name: string, us: number): Stage<number, number> => ({
      name,
      run: (n) => {
        ran.push(name)
        return sleep(us).then(() => n)
      },
    })
    return { ran, p: pipeline(stage('a', 100), { clock }).pipe(stage('b', 100)).pipe(stage('c', 100)) }
  }

  it('end a request while a stage works; later stages do not start', async () => {
    const { ran, p } = stages()
    const late = p.run(1, { deadlineMs: 0.15 }).catch((error) => [error.code, error.details.where])
    await clock.advance(150)
    expect(await late).toEqual(['DEADLINE_EXCEEDED', "in the stage 'b'"])
    const controller = new AbortController()
    const aborted = codeOf(p.run(1, { signal: controller.signal }))
    await clock.advance(50)
    controller.abort()
    expect(await aborted).toBe('ABORTED')
    await clock.advance(1000)
    expect(ran).toEqual(['a', 'b', 'a'])
    expect([clock.timers, getEventListeners(controller.signal, 'abort')]).toEqual([0, []])
  })

  it('are checked between synchronous stages and at the end', async () => {
    let nowUs = 0
    const busy = { nowUs: () => nowUs, setTimer: () => ({ cancel() {} }) }
    const ran: number[] = []
    const work = (n: number) => {
      nowUs += 1000
      ran.push(n)
      return n + 1
    }
    const p = pipeline(work, { clock: busy }).pipe(work)
    expect(await codeOf(p.run(1, { deadlineMs: 1 }))).toBe('DEADLINE_EXCEEDED')
    expect(ran).toEqual([1])
    expect(await codeOf(p.run(1, { deadlineMs: 2 }))).toBe('DEADLINE_EXCEEDED')
    expect(await p.run(1, { deadlineMs: 3 })).toBe(3)
  })

  it('end a stage that aborts its own request and never answers', async () => {
    const controller = new AbortController()
    const p = pipeline(() => {
      controller.abort('from within')
      return new Promise<number>(() => {})
    })
    await expect(p.run(1, { signal: controller.signal })).rejects.toMatchObject({
      code: 'ABORTED',
      cause: 'from within',
    })
  })

  it('of 0 ms or an aborted signal: no stage runs', async () => {
    const { ran, p } = stages()
    expect(await codeOf(p.run(1, { deadlineMs: 0 }))).toBe('DEADLINE_EXCEEDED')
    expect(await codeOf(p.run(1, { signal: AbortSignal.abort() }))).toBe('ABORTED')
    expect(ran).toEqual([])
    const endless = p.run(1, { deadlineMs: Number.POSITIVE_INFINITY })
    await clock.advance(300)
    expect(await endless).toBe(1)
  })
})
