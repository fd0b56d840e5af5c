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
  ])('%j are refused', (options) => refused(options))

  it('are refused for a model that cannot be batched', async () => {
    const fixed: TensorInfo = { name: 'x', dtype: 'float32', shape: [1, 4] }
    await refused({}, { inputs: [fixed] })
    await refused({}, { inputs: [{ name: 'x', dtype: 'float32', shape: [] }] })
    await refused({}, { inputs: [{ name: 'x', dtype: 'int4', shape: ['batch', 3] }] })
    const { session } = await nullSession({ inputs: [fixed] })
    expect(new Batcher(session, { maxBatchSize: 1 }).queued).toBe(0)
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
