import { sizeOf } from '@lowlat/core'
import { expect, test } from 'vitest'
import type { DeviceBuffer } from '../program/view.ts'
import { convolutionReference } from '../testing/convolution-reference.ts'
import { testDevice } from '../testing/facts.ts'
import { type EpilogueReference, finishSum, quantizeReference } from '../testing/int8-reference.ts'
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
import { type ConvolutionArgs, convolution, convolutionTactics } from './convolution.ts'
import type { Epilogue } from './epilogue.ts'

import { type ProductPrecision, packConvolutionWeights, packedConvolutionShape, weightDTypes } from './packing.ts'
import { splitCounters } from './split-counters.ts'

interface Case {
  readonly precision: ProductPrecision
  /** [N, C, H, W] */
  readonly input: readonly [number, number, number, number]
  /** [M, C / group, R, S] */
  readonly weights: readonly [number, number, number, number]
  readonly inputDType?: 'float32' | 'float16' | 'int8' | 'uint8'
  readonly outputDType?: 'float32' | 'float16' | 'int8' | 'uint8'
  readonly inputLayout?: ViewOptions['layout']
  readonly outputLayout?: ViewOptions['layout']
  readonly strides?: readonly [number, number]
  readonly dilations?: readonly [number, number]
  readonly pads?: readonly [number, number, number, number]
  readonly group?: number
  readonly zeroPoint?: number
  readonly activation?: Epilogue['activation']
  readonly finalActivation?: Epilogue['finalActivation']
  readonly residual?: 'float32' | 'float16' | 'int8' | 'uint8'
  readonly multiplies?: boolean
  readonly tactic?: string
  /** Run so many times: splits must leave the workspace as they found it. */
  readonly runs?: number
  readonly splitDepth?: boolean
}

const storageOf = { fp32: 'float32', tf32: 'float32', fp16: 'float16', int8: 'int8' } as const

describeKernels('convolution', ['product_f16', 'product_int8', 'product_tf32', 'product_f32'], (runner) => {
  function check(it: Case): void {
    const integer = it.precision === 'int8'
    const inputDType = it.inputDType ?? storageOf[it.precision]
    const outputDType = it.outputDType ?? (integer ? 'float32' : storageOf[it.precision])
    const { strides = [1, 1], dilations = [1, 1], pads = [0, 0, 0, 0], group = 1, zeroPoint = 0 } = it
    const size = sizeOf(it.input)
    const [columns] = it.weights
    const weightCount = sizeOf(it.weights)
    const [low, high] = inputDType === 'uint8' ? [0, 255] : [-128, 127]
    const inputValues =
      integer || inputDType === 'uint8'
        ? randomIntegers(size, 1, low, high)
        : roundedTo(inputDType, randomValues(size, 1))
    const operandValues = it.precision === 'fp16' ? roundedTo('float16', inputValues) : inputValues
    const weightValues = integer
      ? randomIntegers(weightCount, 2, -127, 127)
      : roundedTo('float32', randomValues(weightCount, 2))
    const packed = packConvolutionWeights(
      integer ? Int8Array.from(weightValues) : Float32Array.from(weightValues),
      it.weights,
      it.precision,
    )
    const reference = convolutionReference({
      input: operandValues,
      inputShape: it.input,
      weights: roundedTo(weightDTypes[it.precision], weightValues),
      weightsShape: it.weights,
      strides,
      dilations,
      pads,
      group,
      paddingValue: zeroPoint,
    })

    const contents = new Map<DeviceBuffer, Uint8Array>()
    const upload = (
      dtype: Parameters<typeof makeView>[0],
      shape: readonly number[],
      values: ArrayLike<number>,
      options?: ViewOptions,
    ) => {
      const view = makeView(dtype, shape, options)
      contents.set(view.buffer, bytesOf(view, values))
      return view
    }
    const input = upload(inputDType, it.input, inputValues, { layout: it.inputLayout ?? 'channels-last' })
    const weights = makeView(weightDTypes[it.precision], packedConvolutionShape(it.weights, it.precision), {
      kind: 'constant',
    })
    contents.set(weights.buffer, packed)
    const output = makeView(outputDType, reference.shape, { layout: it.outputLayout ?? 'channels-last' })
    const outputs = reference.sums.length
    const bias = roundedTo('float32', randomValues(columns, 3))
    const quantization =
      outputDType === 'int8' || outputDType === 'uint8'
        ? { scale: 0.037, zeroPoint: outputDType === 'int8' ? -3 : 117 }
        : undefined
    const multiplier = roundedTo('float32', randomValues(columns, 4, 1e-5, 1e-4))
    const correction = Float64Array.from({ length: columns }, (_, channel) => {
      const depth = weightCount / columns
      let sum = 0
      for (let k = 0; k < depth; k++) sum += weightValues[channel * depth + k]!
      return 17 * channel - zeroPoint * sum
    })
    const residualQuantized = it.residual === 'int8' || it.residual === 'uint8'
    const residualQuantization = residualQuantized ? { scale: 0.021, zeroPoint: 5 } : undefined
    const residualValues =
      it.residual &&
      (residualQuantized
        ? randomIntegers(outputs, 5, it.residual === 'int8' ? -128 : 0, 127)
        : roundedTo(it.residual, randomValues(outputs, 5)))
    const epilogue: Epilogue = {
      bias: upload('float32', [columns], bias),
      multiplier: integer ? upload('float32', [columns], multiplier) : undefined,
      correction: integer ? upload('int32', [columns], correction) : undefined,
      activation: it.activation,
      finalActivation: it.finalActivation,
      quantization,
      residual: residualValues && {
        view: upload(it.residual!, reference.shape, residualValues, { layout: 'channels-last' }),
        quantization: residualQuantization,
        operation: it.multiplies ? 'multiply' : 'add',
      },
    }
    contents.set(splitCounters, new Uint8Array(splitCounters.sizeBytes))
    const args: ConvolutionArgs = {
      precision: it.precision,
      input,
      weights,
      output,
      kernel: it.weights.slice(2),
      strides,
      dilations,
      padsBefore: pads.slice(0, 2),
      group,
      paddingValue: zeroPoint,
      epilogue,
      device: testDevice,
      tactic: it.tactic,
      splitDepth: it.splitDepth,
    }
    const launch = convolution(args)
    if (it.tactic) expect(launch.tactic).toBe(it.tactic)
    const written = runner.run(
      Array.from({ length: it.runs ?? 1 }, () => launch),
      contents,
    )
    expect(written.get(splitCounters)?.some((byte) => byte !== 0)).not.toBe(true)

    const expected: EpilogueReference = {
      bias,
      ...(integer && { multiplier, correction }),
      ...(it.activation && { activation: it.activation }),
      ...(it.finalActivation && { finalActivation: it.finalActivation }),
      ...(residualValues && { residual: residualValues }),
      ...(residualQuantization && { residualQuantization }),
      residualMultiplies: it.multiplies ?? false,
    }
    const bytes = written.get(output.buffer)!
    const results = valuesOf(output, bytes)
    expect(bytesTouchedOutside(output, bytes)).toBe(0)
    const plane = reference.shape[2] * reference.shape[3]
    for (let at = 0; at < outputs; at++) {
      const channel = Math.floor(at / plane) % columns
      const value = finishSum(reference.sums[at]!, channel, at, expected)
      if (integer) {
        const stored = quantization
          ? quantizeReference(value, quantization, outputDType as 'int8' | 'uint8')
          : roundedTo(outputDType, [value])[0]!
        if (!Object.is(results[at]! + 0, stored + 0)) expect.fail(`output ${at} is ${results[at]}, expected ${stored}`)
      } else {
        // Rounding of products (of 11 bits in TF32) and of sums, then of what is stored.
        const relative = it.precision === 'tf32' ? 2 ** -10 : 2 ** -18
        const stored = outputDType === 'float16' ? Math.abs(value) * 2 ** -11 + 2 ** -24 : 0
        const tolerance = 1.2 * (reference.magnitudes[at]! * relative + stored) + 1e-6
        if (!(Math.abs(results[at]! - value) <= tolerance))
          expect.fail(`output ${at} is ${results[at]}, expected ${value} within ${tolerance}`)
      }
    }
  }

  const relu = { kind: 'relu' } as const
  const pad1 = [1, 1, 1, 1] as const
  const cases: Record<string, Case> = {
    'fp16 3x3': { precision: 'fp16', input: [1, 64, 14, 14], weights: [64, 64, 3, 3], pads: pad1, activation: relu },
    'fp16 1x1 with a residual': {
      precision: 'fp16',
      input: [1, 64, 7, 9],
      weights: [96, 64, 1, 1],
      residual: 'float16',
      finalActivation: relu,
    },
    'fp16 3x3 stride 2, two images': {
      precision: 'fp16',
      input: [2, 24, 13, 15],
      weights: [40, 24, 3, 3],
      strides: [2, 2],
      pads: pad1,
    },
    'fp16 5x3 dilated, uneven padding': {
      precision: 'fp16',
      input: [1, 16, 17, 12],
      weights: [24, 16, 5, 3],
      dilations: [2, 3],
      pads: [4, 1, 3, 6],
    },
    'fp16 first layer from float32 NCHW': {
      precision: 'fp16',
      input: [1, 3, 32, 30],
      inputDType: 'float32',
      inputLayout: 'rows',
      weights: [32, 3, 7, 7],
      strides: [2, 2],
      pads: [3, 3, 3, 3],
    },
    'fp16 first layer from a uint8 image': {
      precision: 'fp16',
      input: [1, 3, 20, 18],
      inputDType: 'uint8',
      weights: [16, 3, 3, 3],
      strides: [2, 2],
      pads: pad1,
    },
    'fp16 with 5 channels': { precision: 'fp16', input: [1, 5, 9, 9], weights: [7, 5, 3, 3], pads: pad1 },
    'fp16 with 6 channels': { precision: 'fp16', input: [1, 6, 9, 9], weights: [10, 6, 3, 3], pads: pad1 },
    'fp16 in groups': { precision: 'fp16', input: [1, 32, 8, 8], weights: [24, 8, 3, 3], group: 4, pads: pad1 },
    'fp16 to float32 NCHW, 85 channels': {
      precision: 'fp16',
      input: [1, 80, 6, 7],
      weights: [85, 80, 1, 1],
      outputDType: 'float32',
      outputLayout: 'rows',
    },
    'fp16 to one channel': {
      precision: 'fp16',
      input: [1, 8, 5, 5],
      weights: [1, 8, 3, 3],
      activation: { kind: 'sigmoid' },
    },
    'fp16 times a broadcast': {
      precision: 'fp16',
      input: [1, 16, 5, 5],
      weights: [16, 16, 1, 1],
      residual: 'float32',
      multiplies: true,
    },
    'fp32 3x3': {
      precision: 'fp32',
      input: [1, 32, 14, 14],
      weights: [64, 32, 3, 3],
      pads: pad1,
      activation: { kind: 'swish', alpha: 1 },
    },
    'fp32 with 3 channels, NCHW': {
      precision: 'fp32',
      input: [1, 3, 20, 21],
      inputLayout: 'rows',
      weights: [16, 3, 3, 3],
      strides: [2, 2],
      pads: pad1,
    },
    'fp32 in groups': {
      precision: 'fp32',
      input: [1, 24, 8, 8],
      weights: [48, 8, 3, 3],
      group: 3,
      pads: pad1,
      residual: 'float32',
    },
    'fp32 into a slice of channels': {
      precision: 'fp32',
      input: [1, 16, 6, 6],
      weights: [20, 16, 1, 1],
      outputLayout: [6 * 6 * 64, 1, 6 * 64, 64],
    },
    'tf32 3x3': { precision: 'tf32', input: [1, 32, 9, 9], weights: [40, 32, 3, 3], pads: pad1 },
    'tf32 with 3 channels': { precision: 'tf32', input: [1, 3, 15, 15], weights: [16, 3, 3, 3], pads: pad1 },
    'int8 3x3': {
      precision: 'int8',
      input: [1, 64, 14, 14],
      weights: [64, 64, 3, 3],
      pads: pad1,
      activation: relu,
      outputDType: 'int8',
    },
    'int8 1x1 with an int8 residual': {
      precision: 'int8',
      input: [1, 64, 7, 7],
      weights: [80, 64, 1, 1],
      residual: 'int8',
      finalActivation: relu,
      outputDType: 'uint8',
    },
    'int8 with a zero point': {
      precision: 'int8',
      input: [1, 32, 9, 9],
      weights: [32, 32, 3, 3],
      pads: pad1,
      zeroPoint: -77,
      outputDType: 'int8',
    },
    'uint8 with a zero point': {
      precision: 'int8',
      inputDType: 'uint8',
      input: [1, 32, 9, 11],
      weights: [33, 32, 3, 3],
      pads: pad1,
      strides: [2, 2],
      zeroPoint: 131,
      outputDType: 'uint8',
      activation: { kind: 'clip', alpha: 0, beta: 1.5 },
    },
    'uint8 with 24 channels': {
      precision: 'int8',
      inputDType: 'uint8',
      input: [1, 24, 9, 9],
      weights: [72, 24, 1, 1],
      zeroPoint: 3,
      outputDType: 'int8',
      activation: { kind: 'hardSwish', alpha: 1 / 6, beta: 0.5 },
    },
    'int8 with 24 channels, padded': {
      precision: 'int8',
      input: [1, 24, 9, 9],
      weights: [16, 24, 3, 3],
      pads: pad1,
      zeroPoint: 9,
      outputDType: 'float16',
    },
    'int8 with 3 channels': {
      precision: 'int8',
      input: [2, 3, 15, 13],
      weights: [16, 3, 3, 3],
      pads: pad1,
      strides: [2, 2],
      zeroPoint: -5,
      outputDType: 'int8',
      activation: { kind: 'leakyRelu', alpha: 0.1 },
    },
    'int8 in groups': {
      precision: 'int8',
      input: [1, 64, 6, 6],
      weights: [32, 16, 3, 3],
      group: 4,
      pads: pad1,
      residual: 'float32',
    },
  }
  test.each(Object.keys(cases))('%s', (name) => check(cases[name]!))

  const tiles = ['128x128', '128x64', '64x64', '64x32', '32x32']
  const large = { input: [1, 64, 12, 12], weights: [136, 64, 3, 3], pads: pad1 } as const
  test.each(tiles)('fp16 in tiles of %s', (tile) => check({ precision: 'fp16', ...large, tactic: `${tile}/v16` }))
  test.each(tiles)('int8 in tiles of %s', (tile) =>
    check({ precision: 'int8', ...large, outputDType: 'int8', tactic: `${tile}/v16` }),
  )
  test.each(tiles)('tf32 in tiles of %s', (tile) => check({ precision: 'tf32', ...large, tactic: `${tile}/v16` }))
  test.each(tiles.slice(1))('fp32 in tiles of %s', (tile) =>
    check({ precision: 'fp32', ...large, tactic: `${tile}/v16` }),
  )

  const deep = { input: [1, 128, 7, 7], weights: [64, 128, 3, 3], pads: pad1, runs: 2 } as const
  test.each([2, 3])('splits the depth in %i', (splits) => {
    check({ precision: 'fp16', ...deep, tactic: `64x32/v16/split${splits}` })
    check({ precision: 'int8', ...deep, outputDType: 'int8', tactic: `32x32/v16/split${splits}` })
    check({ precision: 'fp32', ...deep, tactic: `64x64/v16/split${splits}` })
  })

  test('refuses a tactic that cannot run a layer', () => {
    expect(() => check({ precision: 'fp16', ...deep, tactic: '64x32/v16/split9' })).toThrow(
      /^No tactic 64x32.v16.split9/,
    )
    expect(() => check({ precision: 'fp16', ...deep, splitDepth: false, tactic: '64x32/v16/split2' })).toThrow(
      'No tactic',
    )
  })

  test('names every tactic that can run a layer', () => {
    const view = makeView('float16', [1, 64, 8, 8], { layout: 'channels-last' })
    const tactics = convolutionTactics({
      precision: 'fp16',
      input: view,
      weights: makeView('float16', [64, 576]),
      output: view,
      kernel: [3, 3],
      strides: [1, 1],
      dilations: [1, 1],
      padsBefore: [1, 1],
      group: 1,
      device: testDevice,
      splitDepth: false,
    })
    expect([...tactics].sort()).toEqual(tiles.map((tile) => `${tile}/v16`).sort())
  })
})
