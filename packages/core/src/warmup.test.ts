import { nullBackend } from '@lowlat/testing'
import { describe, expect, it } from 'vitest'
import type { Backend, Feeds, Fetches, TensorInfo } from './contract.ts'
import { createSession } from './create-session.ts'
import { BackendError } from './errors.ts'
import type { SessionOptions } from './session-options.ts'
import { Tensor } from './tensor.ts'

const bytes = Uint8Array.of(1, 2, 3)
const info = (shape: TensorInfo['shape']): TensorInfo => ({ name: 'x', dtype: 'float32', shape })

describe('warm-up', () => {
  const runsOf = async (options: SessionOptions, inputs: TensorInfo[]) => {
    const shapes: string[] = []
    const backend = nullBackend({
      inputs,
      outputs: [],
      compute: ({ x }) => {
        shapes.push(x!.shape.join('x'))
        return {}
      },
    })
    let warmedUp = 0
    const counted: Backend = {
      ...backend,
      load: async (plan, load) => ({
        ...(await backend.load(plan, load)),
        warmedUp: async () => {
          warmedUp++
        },
      }),
    }
    await using _ = await createSession(bytes, { backend: counted, cache: false, ...options })
    return { shapes: [...new Set(shapes)], counts: shapes.length, warmedUp }
  }
  const range = (min: number, opt: number, max: number) => ({ x: { min: [min, 4], opt: [opt, 4], max: [max, 4] } })

  it('runs opt and max of every profile, each shape once', async () => {
    const profiles = [range(1, 1, 2), range(2, 2, 8)]
    const runs = await runsOf({ profiles }, [info(['batch', 4])])
    expect(runs).toMatchObject({ shapes: ['1x4', '2x4', '8x4'], warmedUp: 1 })
  })

  it('runs every context', async () => {
    const backend = nullBackend({ runUs: 2000 })
    await using session = await createSession(bytes, { backend, cache: false, contexts: 3 })
    expect([backend.log.maxRunning, backend.log.runs % 3, session.idle]).toEqual([3, 0, 3])
  })

  it('without profiles runs the fixed shapes, with one row for a named batch', async () => {
    expect(await runsOf({}, [info([2, 4])])).toMatchObject({ shapes: ['2x4'], warmedUp: 1 })
    expect(await runsOf({}, [info([])])).toMatchObject({ shapes: [''], warmedUp: 1 })
    // The batch may become larger, so nobody knows yet how long a run can take.
    expect(await runsOf({}, [info(['batch', 4])])).toMatchObject({ shapes: ['1x4'], warmedUp: 0 })
  })

  it('leaves models with other open axes cold', async () => {
    expect(await runsOf({}, [info(['batch', 'width'])])).toEqual({ shapes: [], counts: 0, warmedUp: 0 })
  })

  it('runs feeds of the caller in place of zeros', async () => {
    const x = new Tensor('float32', [3, 4], new Float32Array(12).fill(7))
    const profiles = [range(1, 1, 8)]
    expect(await runsOf({ warmup: [{ x }], profiles }, [info(['batch', 4])])).toMatchObject({
      shapes: ['3x4'],
      warmedUp: 0, // larger shapes may come, and have not been seen
    })
    const fixed = new Tensor('float32', [2, 4], new Float32Array(8))
    expect(await runsOf({ warmup: [{ x: fixed }] }, [info([2, 4])])).toMatchObject({ shapes: ['2x4'], warmedUp: 1 })
    const refused = runsOf({ warmup: [{ y: x } as Feeds] }, [info([2, 4])])
    await expect(refused).rejects.toMatchObject({ code: 'INPUT_UNKNOWN' })
  })

  const creating = (compute: () => Fetches, options: SessionOptions = {}) => {
    const backend = nullBackend({ inputs: [info([1, 4])], compute })
    return createSession(bytes, { backend, cache: false, ...options })
  }

  it.each([
    new BackendError('RUN_FAILED', { message: 'Index out of range.', remedy: 'Check the inputs.' }),
    new Error('Index out of range.'),
  ])('that fails on zeros says that zeros may be to blame: %s', async (cause) => {
    const compute = () => {
      throw cause
    }
    await expect(creating(compute)).rejects.toMatchObject({
      code: 'RUN_FAILED',
      message: expect.stringMatching(/zeros \(x \[1, 4\]\).*Index out of range/),
      remedy: expect.stringMatching(/warmup: \[feeds\].*warmup: false/),
      cause,
    })
    await (await creating(compute, { warmup: false })).dispose()
  })

  it('passes on failures that have nothing to do with zeros', async () => {
    const error = new BackendError('OUT_OF_MEMORY', { message: 'Full.', remedy: 'Buy.' })
    const failing = creating(() => {
      throw error
    })
    await expect(failing).rejects.toBe(error)
  })

  it('refuses to make zeros that no machine holds', async () => {
    for (const profiles of [[range(1, 1, 2 ** 30)], [range(1, 2 ** 31 - 1, 2 ** 31 - 1)]]) {
      await expect(runsOf({ profiles }, [info(['batch', 4])])).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(/at most 2147483648 bytes.*x \[\d+, 4\]/),
        remedy: expect.stringContaining('warmup: false'),
      })
      expect(await runsOf({ profiles, warmup: false }, [info(['batch', 4])])).toMatchObject({ counts: 0 })
    }
    await expect(runsOf({}, [info([2 ** 30, 4])])).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  it('can be switched off', async () => {
    expect(await runsOf({ warmup: false, profiles: [range(1, 1, 2)] }, [info(['batch', 4])])).toEqual({
      shapes: [],
      counts: 0,
      warmedUp: 0,
    })
  })

  it('repeats short runs, but not for ever, and needs no queue', async () => {
    const { counts } = await runsOf({ maxQueue: 0, contexts: 2 }, [info([1, 4])])
    expect(counts).toBeGreaterThanOrEqual(2)
    expect(counts).toBeLessThanOrEqual(40)
  })
})
