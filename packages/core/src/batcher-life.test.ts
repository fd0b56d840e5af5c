import { FakeClock, type NullSessionOptions, nullSession } from '@lowlat/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Batcher } from './batcher.ts'
import type { BatcherOptions } from './batcher-options.ts'
import type { TensorInfo } from './contract.ts'
import { RequestContext } from './request.ts'
import type { RequestOptions } from './request-options.ts'
import { Tensor } from './tensor.ts'
import { Timeline } from './timeline.ts'

const inputs: TensorInfo[] = [{ name: 'x', dtype: 'float32', shape: ['batch', 2] }]
const outputs: TensorInfo[] = [{ name: 'y', dtype: 'float32', shape: ['rows', 2] }]

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

const row = () => ({ x: Tensor.zeros('float32', [1, 2]) })
const echo: NullSessionOptions = { inputs, outputs, runUs: 1000, compute: ({ x }) => ({ y: x! }) }

async function setUp(options: Partial<BatcherOptions> = {}, nullOptions: NullSessionOptions = {}) {
  const opened = await nullSession({ ...echo, clock, ...nullOptions })
  const batcher = new Batcher(opened.session, { maxBatchSize: 4, maxQueueDelayUs: 100, ...options })
  const send = (feeds = row(), request: RequestOptions = {}): Promise<unknown> =>
    batcher.run(feeds, request).then(
      ({ y }) => y!.shape,
      (error) => error.code ?? error.message,
    )
  return { ...opened, batcher, send }
}

describe('results that come too late', () => {
  /** A clock that moves without firing the timers that are due, as when the event loop was busy. */
  function blockedClock() {
    const timers: { dueUs: number; fire: () => void }[] = []
    const blocked = {
      now: 0,
      nowUs: () => blocked.now,
      setTimer(delayUs: number, fire: () => void) {
        const timer = { dueUs: blocked.now + delayUs, fire }
        timers.push(timer)
        return { cancel: () => timers.splice(timers.indexOf(timer), 1) }
      },
      /** Fires the timers of up to `dueUs`, at a time that may be later. */
      fire(dueUs: number) {
        for (const timer of [...timers]) if (timer.dueUs <= dueUs) timer.fire()
      },
    }
    return blocked
  }

  it('are refused, though the timer of the deadline had no turn', async () => {
    const blocked = blockedClock()
    const compute: NullSessionOptions['compute'] = ({ x }) => {
      blocked.now = 500
      return { y: x! }
    }
    const { send } = await setUp({}, { clock: blocked, compute, runUs: 0 })
    const results = [send(row(), { deadlineMs: 0.4 }), send(row(), { deadlineMs: 0.6 }), send()]
    blocked.now = 100
    blocked.fire(100)
    expect(await Promise.all(results)).toEqual(['DEADLINE_EXCEEDED', [1, 2], [1, 2]])
  })

  it('are not even computed for requests that are late when a batch is taken', async () => {
    const blocked = blockedClock()
    const { send, log } = await setUp({}, { clock: blocked, runUs: 0 })
    const results = [send(row(), { deadlineMs: 0.2 }), send(row(), { deadlineMs: 0.3 })]
    blocked.now = 400
    blocked.fire(100)
    expect(await Promise.all(results)).toEqual(['DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED'])
    expect(log.runs).toBe(0)
  })
})

describe('a long queue', () => {
  it('is not walked for every request that joins or leaves it', async () => {
    const { session, batcher } = await setUp({ maxQueue: 2000 })
    let reads = 0
    const controller = new AbortController()
    const runs = Array.from({ length: 2000 }, (_, priority) => {
      const request = new RequestContext({ timeline: new Timeline(0), priority, signal: controller.signal })
      Object.defineProperty(request, 'deadlineUs', { get: () => void reads++ })
      return batcher.runRequest(row(), request).catch((error) => error.code)
    })
    expect(session.idle).toBe(0)
    controller.abort()
    expect(new Set(await Promise.all(runs))).toEqual(new Set(['ABORTED']))
    expect(batcher.queued).toBe(0)
    expect(reads).toBeLessThan(20 * 2000)
  })
})

describe('the life of a batcher', () => {
  it('leaves nothing with the session while nothing waits', async () => {
    const { send, session } = await setUp({ maxQueueDelayUs: 0 })
    const original = session.onIdle.bind(session)
    let listening = 0
    session.onIdle = (listener) => {
      listening++
      const stop = original(listener)
      return () => {
        listening--
        stop()
      }
    }
    const results = [send()]
    expect(listening).toBe(0)
    results.push(send(), send())
    expect(listening).toBe(1)
    await clock.advance(5000)
    expect([await Promise.all(results), listening, clock.timers]).toEqual([
      [
        [1, 2],
        [1, 2],
        [1, 2],
      ],
      0,
      0,
    ])
  })

  it('ends with the session', async () => {
    const { send, session } = await setUp({ maxQueueDelayUs: 0 })
    const results = [send(), send()]
    const disposed = session.dispose()
    expect(await results[1]).toBe('DISPOSED')
    await clock.advance(5000)
    await disposed
    expect([await results[0], await send()]).toEqual([[1, 2], 'DISPOSED'])
  })
})

describe('a request that is broken', () => {
  const throwing = (segment: string) => {
    const timeline = new Timeline(0)
    timeline.span = (name) => {
      if (name === segment) throw new Error('timeline')
    }
    return { timeline }
  }

  it.each(['queue', 'preprocess'])('by a timeline that throws at %s fails alone', async (segment) => {
    const { send } = await setUp()
    const results = [send(), send(row(), throwing(segment)), send()]
    await clock.advance(5000)
    expect(await Promise.all(results)).toEqual([[1, 2], 'timeline', [1, 2]])
  })

  it('by memory that went while it waited fails alone', async () => {
    const { send } = await setUp()
    const gone = row()
    const results = [send(), send(gone), send()]
    structuredClone(gone.x.data, { transfer: [gone.x.data.buffer as ArrayBuffer] })
    await clock.advance(10_000)
    expect(await Promise.all(results)).toEqual([[1, 2], 'INPUT_BYTE_LENGTH', [1, 2]])
  })
})

describe('an output without a row per row', () => {
  const three: NullSessionOptions = { compute: () => ({ y: Tensor.zeros('float32', [3, 2]) }) }

  it('is refused for a request alone as well as under load', async () => {
    const { send } = await setUp({}, three)
    const alone = send()
    await clock.advance(5000)
    expect(await alone).toBe('MODEL_UNSUPPORTED')
    const together = [send(), send()]
    await clock.advance(5000)
    expect(await Promise.all(together)).toEqual(['MODEL_UNSUPPORTED', 'MODEL_UNSUPPORTED'])
  })

  it('is fine without batching', async () => {
    const { send } = await setUp({ maxBatchSize: 1 }, three)
    const alone = send()
    await clock.advance(5000)
    expect(await alone).toEqual([3, 2])
  })

  it('is named', async () => {
    const { batcher } = await setUp({}, three)
    const run = batcher.run(row()).catch((error) => [error.message, error.details.output])
    await clock.advance(5000)
    expect(await run).toEqual([expect.stringContaining("Expected output 'y' to have 1 rows"), 'y'])
  })
})

it('shares one memory among the outputs of a batch, each with rows of its own', async () => {
  const { batcher } = await setUp()
  const runs = [1, 2].map((rows) => batcher.run({ x: Tensor.zeros('float32', [rows, 2]) }))
  await clock.advance(5000)
  const [a, b] = (await Promise.all(runs)).map(({ y }) => y!.data)
  expect(a!.buffer).toBe(b!.buffer)
  expect([a!.byteOffset + a!.byteLength, b!.length]).toEqual([b!.byteOffset, 4])
})
