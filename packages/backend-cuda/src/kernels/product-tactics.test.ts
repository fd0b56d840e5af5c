import { describe, expect, test } from 'vitest'
import { testDevice } from '../testing/facts.ts'
import { estimateCycles, type ProductSize, productTactics, sharedBytesOf, stepsOf } from './product-tactics.ts'

const layer = (rows: number, columns: number, depth: number, type: ProductSize['type'] = 'f16'): ProductSize => ({
  type,
  loader: 'v16',
  rows,
  columns,
  depth,
  batch: 1,
})
const workspace = { partials: 132 * 4 * 64 * 64, counters: 132 * 4 }

describe('productTactics', () => {
  test('takes large tiles for large layers and small ones, split in depth, for small layers', () => {
    const [large] = productTactics(layer(100_000, 256, 1152), testDevice, workspace)
    expect([large!.tile.rows, large!.splits]).toEqual([128, 1])
    const [small] = productTactics(layer(49, 512, 4608), testDevice, workspace)
    expect(small!.tile.rows * small!.tile.columns).toBeLessThanOrEqual(64 * 64)
    expect(small!.splits).toBeGreaterThan(1)
  })

  test('splits only with a workspace that holds all parts, and gives every part a step', () => {
    const size = layer(49, 512, 4608)
    expect(productTactics(size, testDevice, undefined).every(({ splits }) => splits === 1)).toBe(true)
    expect(productTactics(size, testDevice, { partials: 0, counters: 1000 }).every(({ splits }) => splits === 1)).toBe(
      true,
    )
    expect(productTactics(size, testDevice, { partials: 1e9, counters: 1 }).every(({ splits }) => splits === 1)).toBe(
      true,
    )
    for (const { tile, splits } of productTactics(size, testDevice, workspace)) {
      const steps = stepsOf(size, tile)
      expect(Math.ceil(steps / splits) * (splits - 1)).toBeLessThan(steps)
    }
  })

  test('leaves out what the shared memory of the device does not hold', () => {
    const turing = { ...testDevice, computeCapability: 75, multiprocessors: 40, sharedBytesPerBlock: 64 << 10 }
    const tactics = productTactics(layer(1000, 256, 512), turing, undefined)
    expect(tactics.length).toBeGreaterThan(0)
    for (const { tile } of tactics) expect(sharedBytesOf(tile)).toBeLessThanOrEqual(64 << 10)
    expect(tactics.some(({ tile }) => tile.name === '128x128')).toBe(false)
  })

  test('orders by estimated time', () => {
    const size = layer(784, 128, 1152, 's8')
    const cycles = productTactics(size, testDevice, workspace).map((tactic) => estimateCycles(size, tactic, testDevice))
    expect(cycles).toEqual([...cycles].sort((one, other) => one - other))
  })
})
