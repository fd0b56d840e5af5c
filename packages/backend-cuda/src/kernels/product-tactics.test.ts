import { describe, expect, test } from 'vitest'
import { testDevice } from '../testing/facts.ts'
import {
  estimateCycles,
  type ProductSize,
  partialBytesOf,
  productTactics,
  sharedBytesOf,
  stepsOf,
} from './product-tactics.ts'

const layer = (rows: number, columns: number, depth: number, type: ProductSize['type'] = 'f16'): ProductSize => ({
  type,
  loader: 'v16',
  rows,
  columns,
  depth,
  batch: 1,
})

describe('productTactics', () => {
  test('takes large tiles for large layers and small ones, split in depth, for small layers', () => {
    const [large] = productTactics(layer(100_000, 256, 1152), testDevice, true)
    expect([large!.tile.rows, large!.splits]).toEqual([128, 1])
    const [small] = productTactics(layer(49, 512, 4608), testDevice, true)
    expect(small!.tile.rows * small!.tile.columns).toBeLessThanOrEqual(64 * 64)
    expect(small!.splits).toBeGreaterThan(1)
  })

  test('splits only where that is allowed, into few enough parts, and gives every part a step', () => {
    const size = layer(49, 512, 4608)
    expect(productTactics(size, testDevice, false).every(({ splits }) => splits === 1)).toBe(true)
    const many = productTactics(layer(100_000, 512, 4608), testDevice, true)
    expect(many.every(({ splits }) => splits === 1)).toBe(true)
    for (const tactic of productTactics(size, testDevice, true)) {
      const steps = stepsOf(size, tactic.tile)
      expect(Math.ceil(steps / tactic.splits) * (tactic.splits - 1)).toBeLessThan(steps)
      expect(partialBytesOf(size, tactic)).toBeLessThanOrEqual(32 << 20)
    }
  })

  test('leaves out what the shared memory of the device does not hold', () => {
    const turing = { ...testDevice, computeCapability: 75, multiprocessors: 40, sharedBytesPerBlock: 64 << 10 }
    const tactics = productTactics(layer(1000, 256, 512), turing, false)
    expect(tactics.length).toBeGreaterThan(0)
    for (const { tile } of tactics) expect(sharedBytesOf(tile)).toBeLessThanOrEqual(64 << 10)
    expect(tactics.some(({ tile }) => tile.name === '128x128')).toBe(false)
  })

  test('orders by estimated time', () => {
    const size = layer(784, 128, 1152, 's8')
    const cycles = productTactics(size, testDevice, true).map((tactic) => estimateCycles(size, tactic, testDevice))
    expect(cycles).toEqual([...cycles].sort((one, other) => one - other))
  })
})
