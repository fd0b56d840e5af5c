import { type DType, dtypes, type Shape, sizeOf } from '@lowlat/core'
import { expect, test } from 'vitest'
import type { View } from '../program/view.ts'
import { evaluateFloats, evaluateIntegers } from '../testing/elementwise-reference.ts'
import { describeKernels } from '../testing/kernel-runner.ts'
import {
  bytesOf,
  bytesTouchedOutside,
  makeView,
  randomIntegers,
  randomValues,
  roundedTo,
  valuesOf,
} from '../testing/view-values.ts'
import { elementwise, fitsElementwise } from './elementwise.ts'
import { type Instruction, type Operand, type Operation, operations } from './elementwise-program.ts'
import { broadcastStrides } from './iteration.ts'

/** Values of an input at each element of a shape that it is broadcast to. */
function broadcastValues(view: View, values: ArrayLike<number>, shape: Shape): Float64Array {
  const index = Float64Array.from({ length: sizeOf(view.shape) }, (_, i) => i)
  const dense = makeView('float64', view.shape)
  const strides = broadcastStrides(dense, shape)
  const all = { ...dense, shape, strides }
  return valuesOf(all, bytesOf(dense, index)).map((i) => values[i]!)
}

describeKernels('elementwise', ['elementwise'], (runner) => {
  interface Case {
    readonly inputs: readonly { readonly view: View; readonly values: ArrayLike<number> }[]
    readonly outputs: readonly View[]
    readonly program: readonly Instruction[]
    readonly results?: readonly Operand[]
    /** Relative, and absolute below 1. */
    readonly tolerance?: number
  }

  function run({ inputs, outputs, program, results }: Case, compute: 'float32' | 'int64' | 'float64'): Float64Array[] {
    const launch = elementwise({
      inputs: inputs.map(({ view }) => view),
      outputs,
      program,
      compute,
      ...(results && { results }),
    })
    const written = runner.run(
      [launch],
      new Map(inputs.map(({ view, values }) => [view.buffer, bytesOf(view, values)])),
    )
    return outputs.map((output) => {
      const bytes = written.get(output.buffer)!
      expect(bytesTouchedOutside(output, bytes)).toBe(0)
      return valuesOf(output, bytes)
    })
  }

  function check(it: Case, compute: 'float32' | 'int64' = 'float32'): void {
    const { inputs, outputs, program, tolerance = 0 } = it
    const { shape } = outputs[0]!
    const columns = inputs.map(({ view, values }) => broadcastValues(view, roundedTo(view.dtype, values), shape))
    const last = inputs.length + program.length - outputs.length
    const results = it.results ?? outputs.map((_, index) => last + index)
    const actual = run(it, compute)
    for (let element = 0; element < sizeOf(shape); element++) {
      const values = columns.map((column) => column[element]!)
      const expected =
        compute === 'float32'
          ? evaluateFloats(values, program, results)
          : evaluateIntegers(values.map(BigInt), program, results).map(Number)
      for (const [index, output] of outputs.entries()) {
        const [stored] = roundedTo(output.dtype, [expected[index]!])
        const got = actual[index]![element]!
        if (Object.is(got, stored) || got === stored) continue
        const error = Math.abs(got - stored!) / Math.max(1, Math.abs(stored!))
        if (!(error <= tolerance)) expect.fail(`element ${element} of ${output.dtype}: ${got}, expected ${stored}`)
      }
    }
  }

  const input = (dtype: DType, shape: Shape, values: ArrayLike<number>, options = {}) => ({
    view: makeView(dtype, shape, options),
    values,
  })
  const one = (operation: Operation, count: number): Instruction => ({
    operation,
    operands: Array.from({ length: count }, (_, index) => index),
  })

  const floatOperations = Object.entries(operations).filter(([, { types }]) => types.includes('float32'))
  const exact = new Set<string>(
    'add sub mul div min max neg abs sign equal less lessOrEqual greater greaterOrEqual and or xor not where clip relu fmod'
      .split(' ')
      .concat('sqrt reciprocal floor ceil round trunc toFloat16 isNaN isInf quantizeInt8 quantizeUint8'.split(' '))
      .concat('dequantize thresholdedRelu shrink leakyRelu hardSigmoid hardSwish'.split(' ')),
  )
  const domains: Readonly<Record<string, readonly [number, number]>> = {
    log: [0.01, 5],
    sqrt: [0, 5],
    pow: [0.1, 4],
    asin: [-1, 1],
    acos: [-1, 1],
    atanh: [-0.9, 0.9],
    acosh: [1, 5],
    tan: [-1.4, 1.4],
  }

  test.each(floatOperations)('%s in float32', (name, { operands }) => {
    const [low, high] = domains[name] ?? [-4, 4]
    const length = 37
    const special = domains[name] ? [] : [0, -0, 1, -1, 0.5, 1.5, 2.5, -2.5, Infinity, -Infinity, Number.NaN]
    const usable = exact.has(name) ? special : special.filter(Number.isFinite)
    const values = [0, 1, 2].map((seed) => {
      const random = randomValues(length, seed + 1, low, high)
      if (seed === 0) random.set(usable)
      // Divisors and scales.
      if (seed === 1 && !domains[name]) for (const [i, value] of random.entries()) random[i] = Math.abs(value) + 0.1
      return random
    })
    if (name === 'quantizeInt8' || name === 'quantizeUint8' || name === 'dequantize') values[2]!.fill(3)
    if (name === 'clip') for (let i = 0; i < length; i++) values[2]![i] = values[1]![i]! + 1
    check({
      inputs: values.slice(0, operands).map((each) => input('float32', [length], each)),
      outputs: [makeView('float32', [length])],
      program: [one(name as Operation, operands)],
      tolerance: exact.has(name) ? 0 : 3e-6,
    })
  })

  const integerOperations = Object.entries(operations).filter(([, { types }]) => types.includes('int64'))

  test.each(integerOperations)('%s in int64', (name, { operands }) => {
    const length = 37
    const isShift = name.startsWith('shift')
    const bound = name === 'pow' || isShift ? 12 : 100_000
    const values = [0, 1, 2].map((seed) => randomIntegers(length, seed + 7, isShift ? 0 : -bound, bound))
    values[0]!.set([0, 1, -1, 5, -5].map((value) => (isShift ? Math.abs(value) : value)))
    values[1]!.set([0, 0, -1, 3, 3].map((value) => (isShift ? Math.abs(value) : value)))
    check(
      {
        inputs: values.slice(0, operands).map((each) => input('int64', [length], each)),
        outputs: [makeView('int64', [length])],
        program: [one(name as Operation, operands)],
      },
      'int64',
    )
  })

  test.each(['rows', 'channels-last'] as const)('broadcasts, and reads and writes any strides: %s', (layout) => {
    check({
      inputs: [
        input('float32', [2, 3, 5, 7], randomValues(210, 1), { layout, offset: 3 }),
        input('float32', [3, 1, 1], randomValues(3, 2)),
        input('float16', [5, 1], randomValues(5, 3)),
      ],
      outputs: [makeView('float32', [2, 3, 5, 7], { layout: 'channels-last', offset: 1 })],
      program: [
        { operation: 'add', operands: [0, 1] },
        { operation: 'mul', operands: [3, 2] },
      ],
    })
  })

  test.each([
    [[1], 0],
    [[3], 0],
    [[128, 8], 0],
    [[128, 8], 1],
    [[127, 5], 0],
    [[2, 3, 4, 5, 6], 0],
  ])('takes neighbours of [%s], %i elements from an aligned address', (shape, offset) => {
    for (const dtype of ['float32', 'float16', 'int8', 'int64'] as const) {
      check({
        inputs: [input(dtype, shape, randomIntegers(sizeOf(shape), 3, -100, 100), { offset })],
        outputs: [makeView(dtype, shape, { offset })],
        program: [{ operation: 'add', operands: [0, { constant: 7 }] }],
      })
    }
  })

  test('pads rows: what lies between them stays', () => {
    check({
      inputs: [input('float16', [6, 8], randomValues(48, 2), { layout: [12, 1] })],
      outputs: [makeView('float16', [6, 8], { layout: [16, 1], offset: 8 })],
      program: [{ operation: 'relu', operands: [0] }],
    })
  })

  test('gives two results, of which one is a value inside the program', () => {
    const shape = [3, 50]
    check({
      inputs: [input('float32', shape, randomValues(150, 1)), input('float32', shape, randomValues(150, 2))],
      outputs: [makeView('float32', shape), makeView('float16', shape, { layout: [1, 3] })],
      program: [
        { operation: 'add', operands: [0, 1] },
        { operation: 'abs', operands: [2] },
        { operation: 'sqrt', operands: [3] },
      ],
      results: [2, 4],
    })
  })

  test('keeps values that are read later, as long as they are needed', () => {
    const program: Instruction[] = []
    // Each value reads the one before and one from six steps before.
    for (let index = 2; index < 32; index++)
      program.push({ operation: index % 2 ? 'sub' : 'max', operands: [index - 1, Math.max(0, index - 6)] })
    const args = { inputs: [1, 2].map((seed) => input('float32', [70], randomValues(70, seed))), program }
    check({ ...args, outputs: [makeView('float32', [70])] })
  })

  test('says what it cannot hold', () => {
    const view = makeView('float32', [4])
    const fits = (program: readonly Instruction[], result: Operand) =>
      fitsElementwise({ inputs: [view], outputs: [view], program, results: [result], compute: 'float32' })
    const negations = (count: number) => Array.from({ length: count }, () => one('neg', 1))
    expect(fits(negations(32), 32)).toBe(true)
    expect(fits(negations(33), 33)).toBe(false)
    // Twenty results that are read two by two afterwards.
    const many = Array.from(
      { length: 20 },
      (_, i): Instruction => ({ operation: 'add', operands: [0, { constant: i }] }),
    )
    const choices = Array.from(
      { length: 10 },
      (_, i): Instruction => ({ operation: 'where', operands: [20 + i, 2 * i + 1, 2 * i + 2] }),
    )
    expect(fits([...many, ...choices], 30)).toBe(false)
    expect(() => elementwise({ inputs: [view], outputs: [view], program: negations(33), compute: 'float32' })).toThrow(
      '33 instructions are more than 32',
    )
  })

  test.each(['bitAnd', 'mod'] as const)('refuses %s in float64', (operation) => {
    const view = makeView('float64', [4])
    const program = [{ operation, operands: [0, 0] }]
    expect(() => elementwise({ inputs: [view], outputs: [view], program, compute: 'float64' })).toThrow('float64')
  })

  test('computes in float64 what float32 cannot hold', () => {
    const values = randomValues(9, 3, 1e8, 1e9)
    const [sums] = run(
      {
        inputs: [input('float64', [9], values), input('int32', [9], values.map(Math.floor))],
        outputs: [makeView('float64', [9])],
        program: [one('sub', 2)],
      },
      'float64',
    )
    expect([...sums!]).toEqual([...values].map((value) => value - Math.floor(value)))
  })

  test('selects by a mask', () => {
    check({
      inputs: [
        input('bool', [5, 1], [1, 0, 0, 1, 1]),
        input('float32', [5, 6], randomValues(30, 1)),
        input('float32', [6], randomValues(6, 2)),
      ],
      outputs: [makeView('float32', [5, 6])],
      program: [one('where', 3)],
    })
  })

  const stored: readonly DType[] = [
    'float32',
    'float16',
    'int8',
    'uint8',
    'int16',
    'uint16',
    'int32',
    'uint32',
    'int64',
    'uint64',
  ]

  test.each(stored)('reads %s and stores it as every dtype', (from) => {
    const small = dtypes[from].kind === 'uint' ? [0, 1, 100, 127] : [0, 1, 100, 127, -1, -100]
    for (const to of stored.filter((dtype) => dtypes[dtype].kind !== 'uint' || small.every((value) => value >= 0))) {
      const it = {
        inputs: [input(from, [small.length], small)],
        outputs: [makeView(to, [small.length])],
        program: [],
      }
      for (const compute of ['float32', 'int64', 'float64'] as const) expect([...run(it, compute)[0]!]).toEqual(small)
    }
  })

  test('stores floats as integers toward zero, and truth as 0 and 1', () => {
    const values = [1.9, -1.9, 0.4, -0.4, 1e6, -0, 300]
    const it = { inputs: [input('float32', [7], values)], program: [] }
    const stored = (dtype: DType) => [...run({ ...it, outputs: [makeView(dtype, [7])] }, 'float32')[0]!]
    expect(stored('int32')).toEqual([1, -1, 0, 0, 1e6, 0, 300])
    expect(stored('int64')).toEqual([1, -1, 0, 0, 1e6, 0, 300])
    expect(stored('uint8')).toEqual([1, 255, 0, 0, 64, 0, 44])
    expect(stored('bool')).toEqual([1, 1, 1, 1, 1, 0, 1])
  })

  test('rounds to bfloat16, half to even', () => {
    const values = [1, 1.00390625, 1.01171875, -3.3895e38, Number.NaN]
    const view = makeView('bfloat16', [5])
    const from = makeView('float32', [5])
    const launch = elementwise({ inputs: [from], outputs: [view], program: [], compute: 'float32' })
    const written = runner.run([launch], new Map([[from.buffer, bytesOf(from, values)]])).get(view.buffer)!
    expect([...new Uint16Array(written.slice().buffer)]).toEqual([0x3f80, 0x3f80, 0x3f82, 0xff7f, 0x7fc0])
  })
})
