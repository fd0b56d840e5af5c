import { type NullSessionOptions, nullSession } from '@lowlat/testing'
import { describe, expect, it } from 'vitest'
import { Batcher } from './batcher.ts'
import type { BatcherOptions } from './batcher-options.ts'
import type { TensorInfo } from './contract.ts'

const inputs: TensorInfo[] = [{ name: 'x', dtype: 'float32', shape: ['batch', 2] }]
const outputs: TensorInfo[] = [{ name: 'y', dtype: 'float32', shape: ['batch', 2] }]

describe('batcher options', () => {
  const refused = async (options: Partial<BatcherOptions>, session: NullSessionOptions = {}) => {
    const opened = await nullSession({ inputs, outputs, ...session })
    expect(() => new Batcher(opened.session, { maxBatchSize: 4, ...options })).toThrow(
      expect.objectContaining({ name: 'ConfigError', code: 'CONFIG_INVALID' }),
    )
  }

  it.each([
    { maxBatchSize: 0 },
    { maxBatchSize: 1.5 },
    { maxBatchSize: Number.NaN },
    { preferredBatchSizes: [5] },
    { preferredBatchSizes: [0] },
    { maxQueue: -1 },
    { maxQueueDelayUs: -1 },
    { maxQueueDelayUs: Number.NaN },
    { maxQueueDelayUs: '500' },
    { maxQueueDelayUs: null },
    { maxQueueDelayUs: [5] },
    { preferredBatchSizes: 2 },
    { preferredBatchSizes: null },
    { preferredBatchSizes: ['2'] },
    { maxBatchSize: undefined },
    { maxBatchSize: '4' },
    { maxBatchSize: null },
    { maxBatchSize: Object.create(null) },
    { outputs: 'y' },
    { outputs: [] },
    { maxDelayUs: 5 },
  ])('%o are refused', (options) => refused(options as Partial<BatcherOptions>))

  it('are needed, and so is a session', async () => {
    const { session } = await nullSession({ inputs, outputs })
    const config = expect.objectContaining({ name: 'ConfigError', code: 'CONFIG_INVALID' })
    for (const options of [undefined, null, 4]) expect(() => new Batcher(session, options as never)).toThrow(config)
    for (const other of [undefined, null, 4, {}]) {
      expect(() => new Batcher(other as never, { maxBatchSize: 4 })).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', received: other }),
      )
    }
  })

  it('are refused for a model that cannot be batched', async () => {
    const fixed: TensorInfo = { name: 'x', dtype: 'float32', shape: [1, 4] }
    await refused({}, { inputs: [fixed] })
    await refused({}, { inputs: [{ name: 'x', dtype: 'float32', shape: [] }] })
    await refused({}, { inputs: [{ name: 'x', dtype: 'int4', shape: ['batch', 3] }] })
    const { session } = await nullSession({ inputs: [fixed] })
    expect(new Batcher(session, { maxBatchSize: 1 }).queued).toBe(0)
  })

  it('are refused for an output without an axis for the batch, unless other outputs are asked for', async () => {
    for (const shape of [[], [1], [1, 300, 6]]) {
      const several = [...outputs, { name: 'z', dtype: 'float32', shape } as const]
      await refused({}, { outputs: several })
      const { session } = await nullSession({ inputs, outputs: several })
      expect(new Batcher(session, { maxBatchSize: 4, outputs: ['y'] }).queued).toBe(0)
      expect(new Batcher(session, { maxBatchSize: 1 }).queued).toBe(0)
    }
  })

  it('are refused beyond what the profiles allow', async () => {
    const upTo = (rows: number) => ({ x: { min: [1, 2], opt: [1, 2], max: [rows, 2] } })
    await refused({ maxBatchSize: 5 }, { profiles: [upTo(2), upTo(4)] })
    const { session } = await nullSession({ inputs, outputs, profiles: [upTo(2), upTo(4)] })
    expect(new Batcher(session, { maxBatchSize: 4 }).queued).toBe(0)
  })

  it('are refused for an output that the model does not have', async () => {
    const { session } = await nullSession({ inputs, outputs })
    expect(() => new Batcher(session, { maxBatchSize: 4, outputs: ['z'] })).toThrow(
      expect.objectContaining({ code: 'OUTPUT_UNKNOWN' }),
    )
  })
})
