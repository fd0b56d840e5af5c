import { getEventListeners } from 'node:events'
import { Readable } from 'node:stream'
import { FakeClock, nullSession } from '@lowlat/testing'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { inferFeeds } from './infer.ts'
import { pipeline } from './pipeline.ts'
import type { StreamOptions } from './stream.ts'
import { Tensor } from './tensor.ts'

let clock: FakeClock
const unhandled: unknown[] = []
const onUnhandled = (error: unknown) => unhandled.push(error)
beforeEach(() => {
  clock = new FakeClock()
  process.on('unhandledRejection', onUnhandled)
})
afterEach(async () => {
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', onUnhandled)
  expect(unhandled.splice(0)).toEqual([])
})

const sleep = (us: number) => new Promise<void>((resolve) => clock.setTimer(us, resolve))
const range = (count: number) => Array.from({ length: count }, (_, i) => i)

/** A stage that takes `us(n)` and knows how many it works on. */
function work(us: (n: number) => number = () => 100) {
  const seen = { started: [] as number[], alive: 0, most: 0, signals: new Set<AbortSignal | undefined>() }
  const p = pipeline(
    async (n: number, { signal }) => {
      seen.started.push(n)
      seen.most = Math.max(seen.most, ++seen.alive)
      seen.signals.add(signal)
      await sleep(us(n))
      seen.alive--
      if (n < 0) throw new Error(`bad ${n}`)
      return n
    },
    { clock },
  )
  return { p, seen }
}

/** An endless source that knows what became of it. */
function endless() {
  const state = { pulled: 0, returned: 0 }
  const source: AsyncIterableIterator<number> = {
    next: async () => ({ done: false, value: state.pulled++ }),
    return: async () => {
      state.returned++
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]: () => source,
  }
  return { source, state }
}

/** Everything that a stream gives, with its error's code or message at the end. */
async function collect<T>(iterable: AsyncIterable<T>): Promise<unknown[]> {
  const results: unknown[] = []
  try {
    for await (const value of iterable) results.push(value)
  } catch (error) {
    const { code, message } = error as Error & { code?: string }
    results.push(code ?? message)
  }
  return results
}

const drain = async <T>(iterable: AsyncIterable<T>, us = 1_000_000) => {
  const all = collect(iterable)
  await clock.advance(us)
  return all
}

describe('overlap', () => {
  it('three stages of 5 ms: 100 items at least 2.5 times faster than one after the other', async () => {
    const stage = async () => (await nullSession({ runUs: 5000, clock })).session
    const [a, b, c] = [await stage(), await stage(), await stage()]
    const rename = ({ y }: Readonly<Record<string, Tensor>>) => ({ x: y! })
    const p = pipeline(inferFeeds(a), { clock }).pipe(rename).pipe(inferFeeds(b)).pipe(rename).pipe(inferFeeds(c))
    const feeds = range(100).map(() => ({ x: Tensor.zeros('float32', [1, 4]) }))

    const timeOf = async (run: () => Promise<unknown>): Promise<number> => {
      const startUs = clock.nowUs()
      let tookUs = 0
      const done = run().then(() => {
        tookUs = clock.nowUs() - startUs
      })
      await clock.advance(2_000_000)
      await done
      return tookUs
    }
    const sequentialUs = await timeOf(async () => {
      for (const item of feeds) await p.run(item)
    })
    const streamedUs = await timeOf(() => collect(p.stream(feeds)))
    expect(sequentialUs).toBe(1_500_000)
    expect(streamedUs).toBe(510_000) // 100 x 5 ms, and 10 ms to fill the pipeline
    expect(sequentialUs / streamedUs).toBeGreaterThan(2.5)
  })
})

describe('order and number', () => {
  it('ordered: as the inputs came, however long each takes', async () => {
    const { p, seen } = work((n) => 1000 - n * 37)
    expect(await drain(p.stream(range(20), { maxInFlight: 6 }))).toEqual(range(20))
    expect(seen.most).toBe(6)
  })

  it('unordered: as they are done', async () => {
    const { p } = work((n) => [500, 100, 300][n]!)
    expect(await drain(p.stream(range(3), { ordered: false }))).toEqual([1, 2, 0])
  })

  it('never more than maxInFlight between source and consumer, also while the consumer is slow', async () => {
    const options = fc.record({
      maxInFlight: fc.integer({ min: 1, max: 5 }),
      ordered: fc.boolean(),
      times: fc.array(fc.constantFrom(0, 10, 100, 1000), { maxLength: 20 }),
      consumeUs: fc.constantFrom(0, 50, 5000),
    })
    await fc.assert(
      fc.asyncProperty(options, async ({ maxInFlight, ordered, times, consumeUs }) => {
        clock = new FakeClock()
        let [pulled, handed, most] = [0, 0, 0]
        function* source() {
          for (const n of times.keys()) {
            pulled++
            most = Math.max(most, pulled - handed)
            yield n
          }
        }
        const { p, seen } = work((n) => times[n]!)
        const results: number[] = []
        const done = (async () => {
          for await (const n of p.stream(source(), { maxInFlight, ordered })) {
            handed++
            results.push(n)
            if (consumeUs > 0) await sleep(consumeUs)
          }
        })()
        await clock.advance(1_000_000)
        await done
        expect(ordered ? results : [...results].sort((a, b) => a - b)).toEqual(range(times.length))
        expect(Math.max(most, seen.most)).toBeLessThanOrEqual(maxInFlight)
        expect(clock.timers).toBe(0)
      }),
      { numRuns: 60 },
    )
  })

  it('goes on with maxInFlight while the consumer is busy', async () => {
    const { p, seen } = work()
    const stream = p.stream(endless().source, { maxInFlight: 3 })
    const first = stream.next()
    await clock.advance(1000)
    expect((await first).value).toBe(0)
    await clock.advance(1000)
    expect(seen.started).toEqual([0, 1, 2, 3])
    await stream.return()
  })

  it('a slow source does not hold back finished results', async () => {
    async function* slow() {
      yield 1
      yield 2
      await sleep(10_000)
      yield 3
    }
    const { p } = work()
    const results: number[] = []
    const done = (async () => {
      for await (const n of p.stream(slow())) results.push(n)
    })()
    await clock.advance(500)
    expect(results).toEqual([1, 2])
    await clock.advance(20_000)
    await done
    expect(results).toEqual([1, 2, 3])
  })
})

describe('sources', () => {
  function* generator() {
    yield* [1, 2, 3]
  }
  it.each([
    ['an array', () => [1, 2, 3]],
    ['a set', () => new Set([1, 2, 3])],
    ['a generator', generator],
    ['a Node stream', () => Readable.from([1, 2, 3])],
    ['a web stream', () => new Blob(['\u0001\u0002\u0003']).stream().pipeThrough(new TransformStream())],
  ])('%s', async (_, source) => {
    const p = pipeline((value: unknown) => (value instanceof Uint8Array ? [...value] : value))
    const results = await collect(p.stream(source() as Iterable<unknown>))
    expect(results.flat()).toEqual([1, 2, 3])
  })

  it('a string, which is iterable too', async () => {
    expect(await collect(pipeline((s: string) => s.toUpperCase()).stream('abc'))).toEqual(['A', 'B', 'C'])
  })

  it('an empty one ends at once', async () => {
    expect(await collect(work().p.stream([]))).toEqual([])
  })

  it.each([null, undefined, 7, {}, () => []])('%o is refused', (source) => {
    expect(() => work().p.stream(source as never)).toThrow(
      expect.objectContaining({ name: 'InputError', code: 'INVALID_ARGUMENT', received: source }),
    )
  })

  it('of promises, which are awaited', async () => {
    const p = pipeline((n: number) => n * 10, { clock })
    expect(await drain(p.stream([Promise.resolve(1), 2, sleep(500).then(() => 3)]))).toEqual([10, 20, 30])
  })

  it('of a promise that fails: what was pulled is delivered, then comes the error, and the source is closed', async () => {
    let closed = 0
    function* failing() {
      try {
        yield 1
        yield Promise.reject(new Error('item broke'))
        yield 3
      } finally {
        closed++
      }
    }
    expect(await drain(work().p.stream(failing()))).toEqual([1, 'item broke'])
    expect(closed).toBe(1)
  })

  it('that fail: what was pulled is delivered, then comes the error', async () => {
    async function* failing() {
      yield 1
      yield 2
      throw new Error('source broke')
    }
    expect(await drain(work().p.stream(failing()))).toEqual([1, 2, 'source broke'])
    const unopened: Iterable<number> = {
      [Symbol.iterator]() {
        throw new Error('cannot open')
      },
    }
    expect(await collect(work().p.stream(unopened))).toEqual(['cannot open'])
  })
})

describe('options', () => {
  it.each<[string, unknown[]]>([
    ['maxInFlight', [0, -1, 1.5, Number.NaN, '8', null, Object.create(null)]],
    ['ordered', ['no', 0, null]],
    ['deadlineMs', [-1, Number.NaN, '5', null]],
    ['priority', [Number.POSITIVE_INFINITY, '1']],
    ['signal', [{}, null]],
    ['onError', [5, 'skip', null]],
  ])('%s is refused at once when it is of the wrong kind', (name, values) => {
    for (const value of values) {
      const options = { onError: () => 'skip', [name]: value } as unknown as StreamOptions<number>
      expect(() => work().p.stream([1], options)).toThrow(
        expect.objectContaining({ name: 'InputError', code: 'INVALID_ARGUMENT', received: value }),
      )
    }
  })

  it.each([null, 5, 'fast', { inFlight: 3 }, { timeline: {} }])('%o are refused', (options) => {
    expect(() => work().p.stream([1], options as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})

describe('a consumer that leaves early', () => {
  it('ends the source, aborts what is in flight, and leaves nothing behind', async () => {
    const { source, state } = endless()
    const { p, seen } = work()
    const { signal } = new AbortController()
    const done = (async () => {
      for await (const n of p.stream(source, { maxInFlight: 4, deadlineMs: 1000, signal })) if (n === 5) break
    })()
    await clock.advance(100_000)
    await done
    expect(state.returned).toBe(1)
    expect([...seen.signals].map((inner) => inner?.aborted)).toEqual([true])
    expect(seen.alive).toBe(0)
    expect([clock.timers, getEventListeners(signal, 'abort')]).toEqual([0, []])
  })

  it('runs the finally of a generator before it goes on, and hears of its error', async () => {
    const log: string[] = []
    async function* careful() {
      try {
        for (let n = 0; ; n++) yield n
      } finally {
        await sleep(10)
        log.push('closed')
      }
    }
    const done = (async () => {
      for await (const _ of work().p.stream(careful(), { maxInFlight: 2 })) break
      log.push('after')
    })()
    await clock.advance(1000)
    await done
    expect(log).toEqual(['closed', 'after'])

    function* broken() {
      try {
        for (let n = 0; ; n++) yield n
      } finally {
        // biome-ignore lint/correctness/noUnsafeFinally: that is the case under test
        throw new Error('cannot close')
      }
    }
    const leave = async () => {
      for await (const _ of work(() => 0).p.stream(broken())) break
    }
    const error = leave().catch((thrown) => thrown.message)
    await clock.advance(1000)
    expect(await error).toBe('cannot close')
  })

  it('does not wait for a source that never answers', async () => {
    const state = { returned: 0 }
    const silent: AsyncIterableIterator<number> = {
      next: (() => {
        let first = true
        return () => {
          if (!first) return new Promise<never>(() => {})
          first = false
          return Promise.resolve({ done: false as const, value: 1 })
        }
      })(),
      return: () => {
        state.returned++
        return new Promise(() => {})
      },
      [Symbol.asyncIterator]: () => silent,
    }
    const done = (async () => {
      for await (const _ of work().p.stream(silent)) break
    })()
    await clock.advance(1000)
    await done
    expect(state.returned).toBe(1)
  })

  it('before the first item: nothing was pulled', async () => {
    const { source, state } = endless()
    await work().p.stream(source).return()
    expect(state.pulled).toBe(0)
  })
})

describe('items that fail', () => {
  it('end the stream with their error, after the results before them', async () => {
    const { source, state } = endless()
    const { p, seen } = work()
    const failing = pipeline((n: number) => (n === 3 ? -3 : n)).pipe(p)
    expect(await drain(failing.stream(source, { maxInFlight: 2 }))).toEqual([0, 1, 2, 'bad -3'])
    expect([state.returned, seen.alive, clock.timers]).toEqual([1, 0, 0])
  })

  it('are not hidden by an error of the source when it closes', async () => {
    function* broken() {
      try {
        yield -1
        yield 2
        yield 3
      } finally {
        // biome-ignore lint/correctness/noUnsafeFinally: that is the case under test
        throw new Error('cannot close')
      }
    }
    expect(await drain(work().p.stream(broken(), { maxInFlight: 1 }))).toEqual(['bad -1'])
  })

  it('are left out when onError says so, which hears error, input and index', async () => {
    const { p } = work()
    const heard: unknown[] = []
    const onError = (error: unknown, input: number, index: number) => {
      heard.push([(error as Error).message, input, index])
      return 'skip' as const
    }
    expect(await drain(p.stream([1, -2, 3, -4], { onError }))).toEqual([1, 3])
    expect(heard).toEqual([
      ['bad -2', -2, 1],
      ['bad -4', -4, 3],
    ])
  })

  it("end the stream when onError says 'throw', or throws itself", async () => {
    expect(await drain(work().p.stream([1, -2, 3], { onError: () => 'throw' }))).toEqual([1, 'bad -2'])
    const onError = () => {
      throw new Error('from onError')
    }
    expect(await drain(work().p.stream([1, -2, 3], { onError }))).toEqual([1, 'from onError'])
  })

  it('by their deadline, each counted from when it was pulled', async () => {
    const { p } = work((n) => (n === 2 ? 900 : 100))
    const heard: string[] = []
    const onError = (error: unknown) => {
      heard.push((error as { code: string }).code)
      return 'skip' as const
    }
    const stream = p.stream(range(6), { maxInFlight: 1, deadlineMs: 0.2, onError })
    expect(await drain(stream)).toEqual([0, 1, 3, 4, 5])
    expect([heard, clock.timers]).toEqual([['DEADLINE_EXCEEDED'], 0])
  })
})

describe('abort', () => {
  it('ends the stream, what is in flight, and the source', async () => {
    const { source, state } = endless()
    const { p, seen } = work()
    const controller = new AbortController()
    const all = collect(p.stream(source, { maxInFlight: 3, signal: controller.signal }))
    await clock.advance(250)
    controller.abort('enough')
    expect(await all).toEqual([0, 1, 2, 3, 4, 5, 'ABORTED'])
    expect(state.returned).toBe(1)
    await clock.advance(1000)
    expect([seen.alive, clock.timers, getEventListeners(controller.signal, 'abort')]).toEqual([0, 0, []])
  })

  it('does not ask onError about what it aborted', async () => {
    const controller = new AbortController()
    let asked = 0
    const onError = () => {
      asked++
      return 'skip' as const
    }
    const all = collect(work().p.stream(range(9), { signal: controller.signal, onError }))
    await clock.advance(50)
    controller.abort()
    expect([await all, asked]).toEqual([['ABORTED'], 0])
  })

  it('ends a stream that waits for a silent source', async () => {
    const controller = new AbortController()
    const silent: AsyncIterable<number> = { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) }
    const all = collect(work().p.stream(silent, { signal: controller.signal }))
    await clock.advance(10)
    controller.abort()
    expect(await all).toEqual(['ABORTED'])
  })

  it('before the start: nothing is pulled', async () => {
    const { source, state } = endless()
    expect(await collect(work().p.stream(source, { signal: AbortSignal.abort() }))).toEqual(['ABORTED'])
    expect(state.pulled).toBe(0)
  })

  it('works with many in flight, without a warning about listeners', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error) => warnings.push(warning)
    process.on('warning', onWarning)
    const session = (await nullSession({ clock, runUs: 10, maxQueue: 64 })).session
    const p = pipeline(inferFeeds(session), { clock })
    const feeds = range(100).map(() => ({ x: Tensor.zeros('float32', [1, 4]) }))
    expect(await drain(p.stream(feeds, { maxInFlight: 40 }))).toHaveLength(100)
    process.off('warning', onWarning)
    expect(warnings).toEqual([])
  })
})
