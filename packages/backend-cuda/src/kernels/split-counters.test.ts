import { simulatorUnavailable } from '@lowlat/testing'
import { describe, expect, test } from 'vitest'
import type { DeviceStep } from '../program/program.ts'
import { matrixReference } from '../testing/convolution-reference.ts'
import { testDevice } from '../testing/facts.ts'
import { KernelRunner } from '../testing/kernel-runner.ts'
import { bytesOf, makeView, randomValues, roundedTo, valuesOf } from '../testing/view-values.ts'
import { matrixProduct } from './matrix-product.ts'
import { withSplitCounters } from './split-counters.ts'

const [rows, columns, depth] = [3, 40, 1024]

function product(tactic: string) {
  const a = makeView('float16', [rows, depth])
  const b = makeView('float16', [depth, columns], { layout: [1, depth] })
  const output = makeView('float32', [rows, columns])
  const launch = matrixProduct({ precision: 'fp16', a, b, packed: false, output, device: testDevice, tactic })
  const step: DeviceStep = { kind: 'kernel', nodes: ['product'], operator: 'MatMul', precision: 'fp16', launch }
  return { a, b, output, step }
}

describe('withSplitCounters', () => {
  test('adds nothing to a program that splits nothing', () => {
    const steps = [product('32x32/v16').step]
    expect(withSplitCounters(steps)).toBe(steps)
  })

  const missing = simulatorUnavailable()
  test.skipIf(missing)(
    `clears the counters once, for all launches${missing ? `: ${missing}` : ''}`,
    async () => {
      const { a, b, output, step } = product('32x32/v16/split4')
      const steps = withSplitCounters([step, step])
      expect(steps.map((one) => (one.kind === 'kernel' ? one.operator : one.kind))).toEqual([
        'ClearCounters',
        'MatMul',
        'MatMul',
      ])
      using runner = await KernelRunner.open('product_f16', 'elementwise')
      const aValues = roundedTo('float16', randomValues(rows * depth, 1))
      const bValues = roundedTo('float16', randomValues(depth * columns, 2))
      const contents = new Map([
        [a.buffer, bytesOf(a, aValues)],
        [b.buffer, bytesOf(b, bValues)],
      ])
      const launches = steps.flatMap((one) => (one.kind === 'kernel' ? [one.launch] : []))
      const results = valuesOf(output, runner.run(launches, contents).get(output.buffer)!)
      const { sums } = matrixReference(aValues, bValues, [1, rows, columns, depth])
      for (const [at, result] of results.entries()) expect(result).toBeCloseTo(sums[at]!, 3)
    },
    180_000,
  )
})
