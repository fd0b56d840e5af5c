import { getEventListeners } from 'node:events'
import { FakeClock, type NullSessionOptions, nullSession } from '@lowlat/testing'
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { Batcher } from './batcher.ts'
import type { BatcherOptions } from './batcher-options.ts'
import type { Feeds, Fetches, TensorInfo } from './contract.ts'
import { BackendError } from './errors.ts'
import type { RequestOptions } from './request-options.ts'
import { Tensor } from './tensor.ts'
import { Timeline } from './timeline.ts'

const inputs: TensorInfo[] = [{ name: 'x', dtype: 'float32', shape: ['batch', 'width'] }]
const outputs: TensorInfo[] = [
  { name: 'y', dtype: 'float32', shape: ['batch', 'width'] },
  { name: 'sum', dtype: 'float32', shape: ['batch'] },
]

let clock: FakeClock
let batches: number[][]
beforeEach(() => {
  clock = new FakeClock()
  batches = []
})

/** A request's rows, each filled with its value. */
const rowsOf = (values: readonly number[], width = 2): Feeds => {
  const data = values.flatMap((value) => new Array<number>(width).fill(value))
  return { x: new Tensor('float32', [values.length, width], Float32Array.from(data)) }
}

/** y = -x, sum over each row; a row of 666 fails the batch. */
function compute({ x }: Feeds): Fetches {
  const [rows, width] = x!.shape as [number, number]
  const data = x!.toFloat32()
  const firsts = Array.from({ length: rows }, (_, row) => data[row * width]!)
  batches.push(firsts)
  if (firsts.includes(666)) {
    throw new BackendError('RUN_FAILED', { message: 'A row is unlucky.', remedy: 'Send another.' })
  }
  return {
    y: new Tensor(
      'float32',
      x!.shape,
      data.map((value) => -value),
    ),
    sum: new Tensor(
      'float32',
      [rows],
      Float32Array.from(firsts, (value) => value * width),
    ),
  }
}

async function setUp(options: BatcherOptions, session: NullSessionOptions = {}) {
  const opened = await nullSession({ inputs, outputs, compute, runUs: 1000, clock, ...session })
  const batcher = new Batcher(opened.session, options)
  /** The values that come back, or the code of the error. */
  const send = (values: readonly number[], request: RequestOptions = {}, width = 2): Promise<unknown> =>
    batcher.run(rowsOf(values, width), request).then(
      ({ y, sum }) => {
        expect(y!.shape).toEqual([values.length, width])
        expect([...sum!.toFloat32()]).toEqual(values.map((value) => value * width))
        return Array.from({ length: values.length }, (_, row) => -y!.toFloat32()[row * width]!)
      },
      (error) => error.code ?? error,
    )
  return { ...opened, batcher, send }
}

const values = (count: number) => Array.from({ length: count }, (_, i) => [i])

describe('a batch', () => {
  it('starts at once while a context is idle; what comes meanwhile gathers', async () => {
    const { send, log } = await setUp({ maxBatchSize: 8 })
    const results = values(20).map((row) => send(row))
    await clock.advance(10_000)
    expect(await Promise.all(results)).toEqual(values(20))
    expect(batches.map((batch) => batch.length)).toEqual([1, 8, 8, 3])
    expect([log.maxRunning, clock.timers]).toEqual([1, 0])
  })

  it('uses every idle context', async () => {
    const { send, log } = await setUp({ maxBatchSize: 2 }, { contexts: 3 })
    const results = values(9).map((row) => send(row))
    await clock.advance(10_000)
    expect(await Promise.all(results)).toEqual(values(9))
    expect(batches.map((batch) => batch.length)).toEqual([1, 1, 1, 2, 2, 2])
    expect(log.maxRunning).toBe(3)
  })

  it('waits for company up to maxQueueDelayUs, counted from its oldest request', async () => {
    const { send } = await setUp({ maxBatchSize: 8, maxQueueDelayUs: 500 })
    const results = [send([0])]
    await clock.advance(300)
    results.push(send([1]))
    await clock.advance(199)
    expect(batches).toEqual([])
    await clock.advance(1)
    results.push(send([2]))
    await clock.advance(1000)
    expect(batches).toEqual([[0, 1]])
    // The third waited long enough while the context was busy.
    await clock.advance(1000)
    expect(batches).toEqual([[0, 1], [2]])
    expect(await Promise.all(results)).toEqual(values(3))
  })

  it('does not wait less for having more company', async () => {
    const { send } = await setUp({ maxBatchSize: 32, maxQueueDelayUs: 5000 })
    const first = send([0])
    await clock.advance(10_000) // a run time is known now
    expect(await first).toEqual([0])
    const results = values(10).map((row) => send(row))
    await clock.advance(4999)
    expect(batches).toHaveLength(1)
    await clock.advance(5000)
    expect(batches[1]).toHaveLength(10)
    await Promise.all(results)
  })

  it('starts as soon as it is full, and at a preferred size', async () => {
    const { send } = await setUp({ maxBatchSize: 8, preferredBatchSizes: [4], maxQueueDelayUs: 100_000 })
    const results = values(3).map((row) => send(row))
    await clock.advance(10)
    expect(batches).toEqual([])
    results.push(send([3]))
    // While that runs, more gather than either size.
    results.push(...values(15).map((row) => send(row)))
    await clock.advance(200_000)
    expect(batches.map((batch) => batch.length)).toEqual([4, 8, 4, 3])
    await Promise.all(results)
  })

  it('never exceeds maxBatchSize, and keeps the rows of a request together', async () => {
    const { send } = await setUp({ maxBatchSize: 4 })
    const requests = [[0], [1, 2, 3], [4, 5], [6, 7, 8], [9], [10, 11, 12, 14]]
    const results = requests.map((request) => send(request))
    await clock.advance(20_000)
    expect(await Promise.all(results)).toEqual(requests)
    expect(batches).toEqual([[0], [1, 2, 3], [4, 5], [6, 7, 8, 9], [10, 11, 12, 14]])
  })

  it('never mixes shapes', async () => {
    const { send } = await setUp({ maxBatchSize: 8 })
    const results = [0, 1, 2, 3, 4, 5].map((value) => send([value], {}, 2 + (value % 2)))
    await clock.advance(10_000)
    expect(await Promise.all(results)).toEqual([[0], [1], [2], [3], [4], [5]])
    expect(batches).toEqual([[0], [1, 3, 5], [2, 4]])
  })

  it('takes the highest priority first', async () => {
    const { send } = await setUp({ maxBatchSize: 2 })
    const results = [0, 0, 1, 2, 1].map((priority, i) => send([i], { priority }))
    await clock.advance(10_000)
    await Promise.all(results)
    expect(batches).toEqual([[0], [3, 2], [4, 1]])
  })

  it('starts early for a deadline, by the longest run time seen lately', async () => {
    const { send } = await setUp({ maxBatchSize: 8, maxQueueDelayUs: 50_000 })
    const first = send([0])
    await clock.advance(60_000)
    await first
    const results = [send([1]), send([2], { deadlineMs: 10 })]
    await clock.advance(8999)
    expect(batches).toHaveLength(1)
    await clock.advance(1)
    await clock.advance(999)
    expect(batches[1]).toBeUndefined() // it runs
    await clock.advance(1)
    expect(batches[1]).toEqual([1, 2])
    expect((await Promise.all(results))[0]).toEqual([1])
  })

  it('stamps its assembly and its run on every request', async () => {
    const { batcher } = await setUp({ maxBatchSize: 2, maxQueueDelayUs: 100 })
    const timelines = [new Timeline(0), new Timeline(0)]
    const runs = timelines.map((timeline) => batcher.run(rowsOf([1]), { timeline }))
    await clock.advance(2000)
    await Promise.all(runs)
    for (const timeline of timelines) {
      expect(timeline.spans.map(({ segment, label }) => [segment, label])).toEqual([
        ['queue', 'batcher'],
        ['preprocess', 'batch assembly'],
        ['queue', undefined],
      ])
      expect(timeline.totalUs).toBe(1000)
    }
  })

  it('computes only the outputs that were asked for', async () => {
    const { batcher } = await setUp({ maxBatchSize: 2, outputs: ['sum'] })
    const runs = [1, 2, 3].map((value) => batcher.run(rowsOf([value])))
    await clock.advance(5000)
    expect((await Promise.all(runs)).map((fetches) => Object.keys(fetches))).toEqual([['sum'], ['sum'], ['sum']])
  })
})

describe('requests that end early', () => {
  it('leave the queue when aborted or late, and the others go on', async () => {
    const { send, batcher } = await setUp({ maxBatchSize: 8 })
    const controller = new AbortController()
    const results = [
      send([0]),
      send([1], { signal: controller.signal }),
      send([2], { deadlineMs: 0.5 }),
      send([3], { signal: controller.signal }),
      send([4]),
    ]
    controller.abort()
    expect(batcher.queued).toBe(2)
    await clock.advance(10_000)
    expect(await Promise.all(results)).toEqual([[0], 'ABORTED', 'DEADLINE_EXCEEDED', 'ABORTED', [4]])
    expect(batches).toEqual([[0], [4]])
    expect([clock.timers, getEventListeners(controller.signal, 'abort')]).toEqual([0, []])
  })

  it('are rejected at once when their batch runs, which serves the others', async () => {
    const { send } = await setUp({ maxBatchSize: 4, maxQueueDelayUs: 100 })
    const controller = new AbortController()
    const results = [send([0], { signal: controller.signal }), send([1], { deadlineMs: 0.6 }), send([2])]
    await clock.advance(300)
    controller.abort()
    expect(await results[0]).toBe('ABORTED')
    await clock.advance(300)
    expect(await results[1]).toBe('DEADLINE_EXCEEDED')
    await clock.advance(1000)
    expect(await results[2]).toEqual([2])
    expect(batches).toEqual([[0, 1, 2]])
  })

  it('take their timer with them', async () => {
    const { send } = await setUp({ maxBatchSize: 4, maxQueueDelayUs: 1e9 })
    const controller = new AbortController()
    const result = send([0], { signal: controller.signal })
    expect(clock.timers).toBe(1)
    controller.abort()
    expect([await result, clock.timers]).toEqual(['ABORTED', 0])
  })

  it('that are over before they start cost nothing', async () => {
    const { send } = await setUp({ maxBatchSize: 4 })
    expect(await send([0], { signal: AbortSignal.abort() })).toBe('ABORTED')
    expect(await send([0], { deadlineMs: 0 })).toBe('DEADLINE_EXCEEDED')
    expect([batches, clock.timers]).toEqual([[], 0])
  })
})

describe('a batch that fails', () => {
  it('is repeated one by one, so that only the bad request fails', async () => {
    const { send } = await setUp({ maxBatchSize: 4, maxQueueDelayUs: 100 })
    const results = [0, 666, 2, 3].map((value) => send([value]))
    await clock.advance(20_000)
    expect(await Promise.all(results)).toEqual([[0], 'RUN_FAILED', [2], [3]])
    expect(batches).toEqual([[0, 666, 2, 3], [0], [666], [2], [3]])
    expect(clock.timers).toBe(0)
  })

  it('is repeated before what came after the failure, and needs no room in any queue', async () => {
    const { send } = await setUp({ maxBatchSize: 2, maxQueue: 4, maxQueueDelayUs: 1e9 }, { maxQueue: 0 })
    const results = [0, 666, 2, 3].map((value) => send([value]))
    await clock.advance(1500)
    results.push(send([4]), send([5]))
    await clock.advance(20_000)
    expect(await Promise.all(results)).toEqual([[0], 'RUN_FAILED', [2], [3], [4], [5]])
    // The next batch was ready when the context became free; then the failed ones come before the rest.
    expect(batches).toEqual([[0, 666], [2, 3], [0], [666], [4, 5]])
  })

  it('is not repeated for requests that ended meanwhile, and can be ended while it waits for that', async () => {
    const { send } = await setUp({ maxBatchSize: 4, maxQueueDelayUs: 100 })
    const [early, late] = [new AbortController(), new AbortController()]
    const results = [send([0]), send([666]), send([2], { signal: early.signal }), send([3], { signal: late.signal })]
    await clock.advance(600)
    early.abort()
    await clock.advance(1000)
    late.abort()
    await clock.advance(20_000)
    expect(await Promise.all(results)).toEqual([[0], 'RUN_FAILED', 'ABORTED', 'ABORTED'])
    expect(batches.slice(1)).toEqual([[0], [666]])
  })

  it('is repeated one by one when no profile holds as many rows', async () => {
    const at = (rows: number) => ({ x: { min: [rows, 2], opt: [rows, 2], max: [rows, 2] } })
    const { send } = await setUp({ maxBatchSize: 4, maxQueueDelayUs: 100 }, { profiles: [at(1), at(4)] })
    const results = values(3).map((row) => send(row))
    await clock.advance(20_000)
    expect(await Promise.all(results)).toEqual(values(3))
    expect(batches).toEqual([[0], [1], [2]])
  })

  it('fails as a whole for reasons that all share', async () => {
    const broken = () => {
      throw new BackendError('WORKER_DIED', { message: 'It died.', remedy: 'Look at its log.' })
    }
    const { send, log } = await setUp({ maxBatchSize: 4, maxQueueDelayUs: 100 }, { compute: broken })
    const results = values(3).map((row) => send(row))
    await clock.advance(20_000)
    expect(await Promise.all(results)).toEqual(['WORKER_DIED', 'WORKER_DIED', 'WORKER_DIED'])
    expect(log.runs).toBe(1)
  })
})

describe('bad requests', () => {
  it('are refused before they wait, and disturb nobody', async () => {
    const { send, batcher } = await setUp({ maxBatchSize: 4, maxQueueDelayUs: 100 })
    const good = send([1])
    expect(await send([])).toBe('INPUT_SHAPE')
    expect(await send([1, 2, 3, 4, 5])).toBe('INPUT_SHAPE')
    await expect(batcher.run({ x: Tensor.zeros('int8', [1, 2]) })).rejects.toMatchObject({ code: 'INPUT_DTYPE' })
    await expect(batcher.run({})).rejects.toMatchObject({ code: 'INPUT_MISSING' })
    await expect(batcher.run(rowsOf([1]), { deadlineMs: -1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await clock.advance(5000)
    expect(await good).toEqual([1])
    expect(batches).toEqual([[1]])
  })

  it('10,000 at once: what does not fit is rejected at once, everything settles', async () => {
    const { send } = await setUp({ maxBatchSize: 8, maxQueue: 64 })
    const results = Array.from({ length: 10_000 }, (_, i) => send([i + 100], { deadlineMs: 1000 }))
    const counts = new Map<unknown, number>()
    for (const result of results) {
      void result.then((value) => {
        const key = Array.isArray(value) ? 'done' : value
        counts.set(key, (counts.get(key) ?? 0) + 1)
      })
    }
    await clock.advance(0)
    expect(Object.fromEntries(counts)).toEqual({ QUEUE_FULL: 10_000 - 65 })
    await clock.advance(20_000)
    expect(Object.fromEntries(counts)).toEqual({ QUEUE_FULL: 10_000 - 65, done: 65 })
    expect(clock.timers).toBe(0)
  })
})

describe('dispose', () => {
  it('of the batcher rejects what waits; what runs goes on, and so does the session', async () => {
    const { send, batcher, session } = await setUp({ maxBatchSize: 4 })
    const results = [send([0]), send([1], { deadlineMs: 100 })]
    batcher.dispose()
    expect(await results[1]).toBe('DISPOSED')
    expect(await send([2])).toBe('DISPOSED')
    await clock.advance(5000)
    expect(await results[0]).toEqual([0])
    const direct = session.run(rowsOf([3]))
    await clock.advance(5000)
    expect((await direct).y!.shape).toEqual([1, 2])
    expect(clock.timers).toBe(0)
  })

  it('of the batcher rejects what would have been repeated', async () => {
    const { send, batcher } = await setUp({ maxBatchSize: 4, maxQueueDelayUs: 100 })
    const results = [send([666]), send([1])]
    await clock.advance(500)
    batcher.dispose()
    await clock.advance(5000)
    expect(await Promise.all(results)).toEqual(['DISPOSED', 'DISPOSED'])
  })

  it.each([0, 1e9, Number.POSITIVE_INFINITY])(
    'of the session rejects what waits, also for a delay of %d us',
    async (maxQueueDelayUs) => {
      const { send, session } = await setUp({ maxBatchSize: 2, maxQueueDelayUs })
      const results = [0, 1, 2].map((value) => send([value]))
      const disposed = session.dispose()
      expect(await results[2]).toBe('DISPOSED')
      await clock.advance(5000)
      await disposed
      expect((await Promise.all(results)).slice(0, 1)).toEqual([[0]])
      expect(await send([3])).toBe('DISPOSED')
      expect(clock.timers).toBe(0)
    },
  )
})

describe('random arrivals', () => {
  it('every request gets exactly its own rows back, or one clear error; no batch is too large', async () => {
    const arrival = fc.record({
      gapUs: fc.constantFrom(0, 0, 0, 1, 100, 700, 3000),
      rows: fc.integer({ min: 1, max: 4 }),
      width: fc.constantFrom(2, 2, 3),
      priority: fc.constantFrom(0, 0, 1),
      deadlineMs: fc.constantFrom(undefined, undefined, 0.5, 2, 10),
      abortAfterUs: fc.constantFrom(undefined, undefined, undefined, 0, 400, 1500),
      unlucky: fc.constantFrom(false, false, false, false, true),
    })
    const scenario = fc.record({
      arrivals: fc.array(arrival, { maxLength: 25 }),
      maxBatchSize: fc.integer({ min: 4, max: 8 }),
      preferred: fc.subarray([1, 2, 3, 4]),
      maxQueueDelayUs: fc.constantFrom(0, 300, 2000),
      maxQueue: fc.constantFrom(3, 100),
      contexts: fc.integer({ min: 1, max: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(scenario, async ({ arrivals, maxBatchSize, preferred, maxQueueDelayUs, maxQueue, contexts }) => {
        clock = new FakeClock()
        batches = []
        const { send, session, batcher } = await setUp(
          { maxBatchSize, preferredBatchSizes: preferred, maxQueueDelayUs, maxQueue },
          { contexts },
        )
        let next = 100
        const expected: (number[] | 'RUN_FAILED')[] = []
        const results: Promise<unknown>[] = []
        const controllers: AbortController[] = []
        for (const { gapUs, rows, width, priority, deadlineMs, abortAfterUs, unlucky } of arrivals) {
          if (gapUs > 0) await clock.advance(gapUs)
          const row = Array.from({ length: rows }, () => (unlucky ? 666 : next++))
          const controller = new AbortController()
          controllers.push(controller)
          if (abortAfterUs !== undefined) clock.setTimer(abortAfterUs, () => controller.abort())
          expected.push(unlucky ? 'RUN_FAILED' : row)
          const request = { priority, signal: controller.signal, ...(deadlineMs !== undefined && { deadlineMs }) }
          results.push(send(row, request, width))
        }
        await clock.advance(1_000_000)
        for (const [i, result] of (await Promise.all(results)).entries()) {
          const early = ['ABORTED', 'DEADLINE_EXCEEDED', 'DEADLINE_UNREACHABLE', 'QUEUE_FULL']
          if (!early.includes(result as string)) expect(result).toEqual(expected[i])
        }
        expect(Math.max(0, ...batches.map((batch) => batch.length))).toBeLessThanOrEqual(maxBatchSize)
        expect([clock.timers, batcher.queued, session.stats.idle]).toEqual([0, 0, contexts])
        expect(controllers.flatMap(({ signal }) => getEventListeners(signal, 'abort'))).toEqual([])
      }),
      { numRuns: 60 },
    )
  })
})
