import { dtypes } from '@lowlat/core'
import { expect, it } from 'vitest'
import { applyPass } from '../testing/apply-pass.ts'
import { isExactCast, isRedundantCast, mergeCasts } from './merge-casts.ts'

it.each([
  ['bool', 'int8', true],
  ['bool', 'float16', true],
  ['int8', 'int16', true],
  ['uint8', 'int8', false],
  ['uint8', 'int16', true],
  ['int8', 'uint64', false],
  ['uint8', 'uint8', true],
  ['int16', 'float16', false],
  ['uint8', 'bfloat16', true],
  ['int16', 'bfloat16', false],
  ['int32', 'float32', false],
  ['int32', 'float64', true],
  ['int64', 'float64', false],
  ['float16', 'float32', true],
  ['float16', 'bfloat16', false],
  ['bfloat16', 'float16', false],
  ['bfloat16', 'float32', true],
  ['float32', 'float16', false],
  ['float8e4m3fn', 'float16', false],
  ['string', 'string', true],
  ['string', 'float32', false],
] as const)('%s fits into %s: %s', (from, to, expected) => {
  expect(isExactCast(from, to)).toBe(expected)
})

it('a float that was widened must not become an integer, as overflow may differ', () => {
  expect(isRedundantCast('float16', 'float32', 'int8')).toBe(false)
  expect(isRedundantCast('int32', 'int64', 'int8')).toBe(true)
  expect(isRedundantCast('int16', 'float32', 'int8')).toBe(false)
  expect(isRedundantCast('int16', 'float32', 'int16')).toBe(true)
})

it('merges chains down to nothing, and keeps a cast that loses precision', async () => {
  const cast = (to: keyof typeof dtypes) => ({ to: dtypes[to].onnxCode })
  const { operators, changes } = await applyPass(mergeCasts, (g) => {
    const half = g.op('Cast', [g.input('x', 'float32', [3])], cast('float16'))
    half.elementType = 'float16'
    const wide = g.op('Cast', [half], cast('float64'))
    wide.elementType = 'float64'
    g.output('y', g.op('Cast', [wide], cast('float32')), 'float32', [3])
  })
  expect([operators, changes]).toEqual(['Cast Cast', 1])
})
