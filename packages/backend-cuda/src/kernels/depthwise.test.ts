import { sizeOf } from '@lowlat/core'
import { describe, expect, test } from 'vitest'
import type { DeviceBuffer, View } from '../program/view.ts'
import { convolutionReference } from '../testing/convolution-reference.ts'
import { testDevice } from '../testing/facts.ts'
import { finishSum, quantizeReference } from '../testing/int8-reference.ts'
import { describeKernels } from '../testing/kernel-runner.ts'
import {
  bytesOf,
  bytesTouchedOutside,
  makeView,
  randomIntegers,
  randomValues,
  roundedTo,
  type ViewOptions,
  valuesOf,
} from '../testing/view-values.ts'
import { depthwiseConvolution, depthwiseTactics } from './depthwise.ts'
import { type ProductPrecision, packDepthwiseWeights, weightDTypes } from './packing.ts'

interface Case {
  readonly precision: ProductPrecision
  /** [N, C, H, W] */
  readonly input: readonly [number, number, number, number]
  readonly kernel: readonly [number, number]
  readonly strides?: readonly [number, number]
  readonly dilations?: readonly [number, number]
  readonly pad?: number
  readonly dtype?: 'float32' | 'float16' | 'int8' | 'uint8'
  readonly layout?: ViewOptions['layout']
  readonly zeroPoint?: number
}

describeKernels('depthwiseConvolution', ['depthwise'], (runner) => {
  function check(it: Case, tactic: string): void {
    const { precision, kernel, strides = [1, 1], dilations = [1, 1], pad = 0, zeroPoint = 0 } = it
    const integer = precision === 'int8'
    const dtype = it.dtype ?? weightDTypes[precision]
    const [images, channels] = it.input
    const size = sizeOf(it.input)
    const weightsShape = [channels, 1, ...kernel] as const
    const taps = kernel[0] * kernel[1]
    const inputValues = integer
      ? randomIntegers(size, 1, dtype === 'uint8' ? 0 : -128, dtype === 'uint8' ? 255 : 127)
      : roundedTo(dtype, randomValues(size, 1))
    const weightValues = integer
      ? randomIntegers(channels * taps, 2, -127, 127)
      : roundedTo('float32', randomValues(channels * taps, 2))
    const { sums, magnitudes, shape } = convolutionReference({
      input: inputValues,
      inputShape: it.input,
      weights: roundedTo(weightDTypes[precision], weightValues),
      weightsShape,
      strides,
      dilations,
      pads: [pad, pad, pad, pad],
      group: channels,
      paddingValue: zeroPoint,
    })
    const contents = new Map<DeviceBuffer, Uint8Array>()
    const upload = (view: View, elements: ArrayLike<number>) => {
      contents.set(view.buffer, bytesOf(view, elements))
      return view
    }
    const weights = makeView(weightDTypes[precision], [taps, channels], { kind: 'constant' })
    contents.set(
      weights.buffer,
      packDepthwiseWeights(
        integer ? Int8Array.from(weightValues) : Float32Array.from(weightValues),
        weightsShape,
        precision,
      ),
    )
    const layout = it.layout ?? 'channels-last'
    const output = makeView(integer ? 'int8' : dtype, shape, { layout })
    const bias = roundedTo('float32', randomValues(channels, 3))
    const multiplier = roundedTo('float32', randomValues(channels, 4, 1e-5, 1e-4))
    const correction = randomIntegers(channels, 6, -1000, 1000)
    const residual = roundedTo('float16', randomValues(sums.length, 5))
    const quantization = { scale: 0.02, zeroPoint: 4 }
    const activation = { kind: 'clip', alpha: 0, beta: 6 } as const
    const launch = depthwiseConvolution({
      precision,
      input: upload(makeView(dtype, it.input, { layout }), inputValues),
      weights,
      output,
      kernel,
      strides,
      dilations,
      padsBefore: [pad, pad],
      paddingValue: zeroPoint,
      epilogue: {
        bias: upload(makeView('float32', [channels]), bias),
        multiplier: integer ? upload(makeView('float32', [channels]), multiplier) : undefined,
        correction: integer ? upload(makeView('int32', [channels]), correction) : undefined,
        activation,
        residual: { view: upload(makeView('float16', shape, { layout }), residual) },
        quantization: integer ? quantization : undefined,
      },
      device: testDevice,
      tactic,
    })
    const bytes = runner.run([launch], contents).get(output.buffer)!
    expect(bytesTouchedOutside(output, bytes)).toBe(0)
    expect(images * channels * shape[2] * shape[3]).toBe(sums.length)
    const plane = shape[2] * shape[3]
    for (const [at, result] of valuesOf(output, bytes).entries()) {
      const channel = Math.floor(at / plane) % channels
      const value = finishSum(sums[at]!, channel, at, {
        bias,
        activation,
        residual,
        ...(integer && { multiplier, correction }),
      })
      const expected = integer ? quantizeReference(value, quantization, 'int8') : value
      const tolerance = integer
        ? 0
        : magnitudes[at]! * 2 ** -20 + (dtype === 'float16' ? Math.abs(value) * 2 ** -11 : 0) + 1e-6
      if (!(Math.abs(result - expected) <= tolerance))
        expect.fail(`output ${at} is ${result}, expected ${expected} within ${tolerance}`)
    }
  }

  const cases: Record<string, Case> = {
    'fp16 3x3': { precision: 'fp16', input: [1, 32, 12, 14], kernel: [3, 3], pad: 1 },
    'fp16 5x5 stride 2, two images, 24 channels': {
      precision: 'fp16',
      input: [2, 24, 11, 13],
      kernel: [5, 5],
      strides: [2, 2],
      pad: 2,
    },
    'fp16 with 13 channels': { precision: 'fp16', input: [1, 13, 7, 6], kernel: [3, 3], pad: 1 },
    'fp16 dilated 3x1': { precision: 'fp16', input: [1, 8, 15, 9], kernel: [3, 1], dilations: [3, 1], pad: 1 },
    'fp32 3x3': { precision: 'fp32', input: [1, 20, 9, 10], kernel: [3, 3], pad: 1 },
    'fp32 NCHW': { precision: 'fp32', input: [2, 6, 9, 10], kernel: [3, 3], strides: [2, 1], pad: 1, layout: 'rows' },
    'int8 3x3': { precision: 'int8', input: [1, 32, 10, 10], kernel: [3, 3], pad: 1, zeroPoint: -12 },
    'uint8 7x7, 30 channels': {
      precision: 'int8',
      dtype: 'uint8',
      input: [1, 30, 12, 9],
      kernel: [7, 7],
      pad: 3,
      zeroPoint: 128,
    },
  }
  describe.each(depthwiseTactics())('%s per thread', (tactic) => {
    test.each(Object.keys(cases))('%s', (name) => check(cases[name]!, tactic))
  })

  test('refuses weights of another layout', () => {
    const view = makeView('float32', [1, 8, 5, 5], { layout: 'channels-last' })
    const geometry = { kernel: [3, 3], strides: [1, 1], dilations: [1, 1], padsBefore: [1, 1], device: testDevice }
    const weights = makeView('float32', [8, 9])
    expect(() => depthwiseConvolution({ precision: 'fp32', input: view, output: view, weights, ...geometry })).toThrow(
      'wants weights [9, 8]',
    )
  })
})
