import { FakeClock, nullSession } from '@lowlat/testing'
import { beforeEach, describe, expect, expectTypeOf, it } from 'vitest'
import type { Feeds, Fetches, TensorInfo } from './contract.ts'
import { infer, inferFeeds } from './infer.ts'
import { pipeline } from './pipeline.ts'
import { Tensor } from './tensor.ts'

let clock: FakeClock
beforeEach(() => {
  clock = new FakeClock()
})

const info = (name: string): TensorInfo => ({ name, dtype: 'float32', shape: ['batch', 4] })
const x = Tensor.zeros('float32', [1, 4])

describe('infer', () => {
  it('runs a model of one input and one output on a tensor', async () => {
    const { session } = await nullSession({ clock })
    const p = pipeline((n: number) => Tensor.zeros('float32', [n, 4])).pipe(infer(session))
    expectTypeOf(p.run(1)).toEqualTypeOf<Promise<Tensor>>()
    expect((await p.run(3)).shape).toEqual([3, 4])
  })

  it('takes the name of one output where there are several, and computes only that', async () => {
    const asked: unknown[] = []
    const { session } = await nullSession({ clock, outputs: [info('y'), info('z')] })
    const original = session.runRequest.bind(session)
    session.runRequest = (feeds, request, outputs) => {
      asked.push(outputs)
      return original(feeds, request, outputs)
    }
    await pipeline(infer(session, { output: 'z' })).run(x)
    await pipeline(infer(session, { output: 'z', maxBatchSize: 2 })).run(x)
    expect(asked).toEqual([['z'], ['z']])
  })

  it('refuses models that need names', async () => {
    const several = (await nullSession({ clock, outputs: [info('y'), info('z')] })).session
    const refusal = expect.objectContaining({ name: 'ConfigError', code: 'CONFIG_INVALID' })
    expect(() => infer(several)).toThrow(refusal)
    expect(() => infer(several, { output: 'w' })).toThrow(refusal)
    const inputs = (await nullSession({ clock, inputs: [info('a'), info('b')] })).session
    expect(() => infer(inputs)).toThrow('inferFeeds')
  })

  it('shares runs between concurrent requests', async () => {
    const { session, log } = await nullSession({ clock, runUs: 1000 })
    const p = pipeline(infer(session, { maxBatchSize: 8 }), { clock })
    const runs = Array.from({ length: 9 }, () => p.run(x))
    await clock.advance(5000)
    expect((await Promise.all(runs)).every((y) => y.shape[0] === 1)).toBe(true)
    expect(log.runs).toBe(2)
  })

  it.each([
    { maxBatchSize: 0 },
    { maxBatchSize: null },
    { maxBatch: 8 },
    { maxQueueDelayUs: '500' },
    { maxQueue: -1 },
    { preferredBatchSizes: [2] },
    { output: 5 },
    { output: 'z' },
    { outputs: ['y'] },
    null,
    5,
  ])('refuses the options %o, also without batching', async (options) => {
    const { session } = await nullSession({ clock })
    expect(() => infer(session, options as never)).toThrow(
      expect.objectContaining({ name: 'ConfigError', code: 'CONFIG_INVALID' }),
    )
  })

  it.each([null, undefined, 5, {}, 'model.onnx'])('refuses %o for a session', (session) => {
    const refusal = expect.objectContaining({ code: 'INVALID_ARGUMENT', received: session })
    expect(() => infer(session as never)).toThrow(refusal)
    expect(() => inferFeeds(session as never)).toThrow(refusal)
  })

  it('is bound by the request: deadline, signal and priority', async () => {
    const { session } = await nullSession({ clock, runUs: 1000 })
    const p = pipeline(infer(session), { clock })
    const late = p.run(x, { deadlineMs: 0.5 }).catch((error) => error.code)
    const order: number[] = []
    const runs = [0, 1].map((priority) => p.run(x, { priority }).then(() => order.push(priority)))
    await clock.advance(10_000)
    await Promise.all(runs)
    expect([await late, order]).toEqual(['DEADLINE_EXCEEDED', [1, 0]])
  })
})

describe('inferFeeds', () => {
  it('takes all inputs and returns all outputs by name, or those in `outputs`', async () => {
    const { session } = await nullSession({ clock, inputs: [info('a'), info('b')], outputs: [info('y'), info('z')] })
    const stage = inferFeeds(session)
    expectTypeOf(stage.run).parameter(0).toEqualTypeOf<Feeds>()
    expectTypeOf(pipeline(stage).run).returns.toEqualTypeOf<Promise<Fetches>>()
    expect(Object.keys(await pipeline(stage).run({ a: x, b: x }))).toEqual(['y', 'z'])
    expect(Object.keys(await pipeline(inferFeeds(session, { outputs: ['z'] })).run({ a: x, b: x }))).toEqual(['z'])
    await expect(pipeline(stage).run({ a: x })).rejects.toMatchObject({ code: 'INPUT_MISSING' })
  })

  it('refuses unknown options and outputs when it is made', async () => {
    const { session } = await nullSession({ clock })
    const config = expect.objectContaining({ code: 'CONFIG_INVALID' })
    for (const options of [null, 5, { output: 'y' }, { outputs: 'y' }, { outputs: [] }, { maxQueueDelayUs: null }]) {
      expect(() => inferFeeds(session, options as never)).toThrow(config)
    }
    const unknown = expect.objectContaining({ code: 'OUTPUT_UNKNOWN', received: 'z' })
    for (const maxBatchSize of [1, 2]) {
      expect(() => inferFeeds(session, { outputs: ['z'], maxBatchSize })).toThrow(unknown)
    }
  })
})
