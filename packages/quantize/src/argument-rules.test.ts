import { Tensor } from '@lowlat/core'
import type { Graph } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { compareModels } from './compare/compare-models.ts'
import { convertToFloat16 } from './fp16/convert.ts'
import { importQuantized } from './import/import-quantized.ts'
import { translate } from './import/translate.ts'
import { QuantizedBuilder } from './testing/quantized-models.ts'

function quantized(): Graph {
  const g = new QuantizedBuilder({ opset: 13 })
  const x = g.fake(g.input('x', 'float32', [1, 3, 4, 4]), 0.02, 0, 'int8')
  g.output('y', g.op('Conv', [x, g.fakeWeight(g.weights('w', [2, 3, 1, 1], 0.2), 0)]), 'float32', [1, 2, 4, 4])
  return g.graph
}

const graph = quantized()
const samples = [new Tensor('float32', [1, 3, 4, 4], new Float32Array(48))]

/** Calls with what no type allows, and waits for what they reject with. */
const calls: Readonly<Record<string, (...values: unknown[]) => unknown>> = {
  importQuantized: importQuantized as never,
  translate: translate as never,
  convertToFloat16: convertToFloat16 as never,
  compareModels: compareModels as never,
}
const attempt = async (name: string, values: readonly unknown[]) => calls[name]!(...values)

describe('arguments', () => {
  const noGraphs = [null, undefined, 5, {}, new Uint8Array(4), 'model.onnx', Symbol('graph')]

  it.each(Object.keys(calls).flatMap((name) => noGraphs.map((value) => ({ name, value }))))(
    '$name refuses $value as a graph',
    async ({ name, value }) => {
      const error = { code: 'INVALID_ARGUMENT', message: expect.stringContaining('graphFromFile(path)') }
      const rest = name === 'translate' ? ['cpu'] : name === 'compareModels' ? [graph, samples] : []
      await expect(attempt(name, [value, ...rest])).rejects.toMatchObject(error)
      if (name === 'compareModels') await expect(attempt(name, [graph, value, samples])).rejects.toMatchObject(error)
    },
  )

  it.each([null, undefined, 5, { x: 1 }, Symbol('cpu'), 'nonsense', 'tensorrt'])(
    'translate refuses the target %s',
    async (target) => {
      const error = { code: 'INVALID_ARGUMENT', message: expect.stringContaining("'cpu', 'cuda', 'trt' as target") }
      await expect(attempt('translate', [graph, target])).rejects.toMatchObject(error)
    },
  )

  it.each([
    ['importQuantized', { target: 'nonsense' }],
    ['importQuantized', { allowRounding: 'yes' }],
    ['translate', { allowRounding: 1 }],
    ['translate', { target: 'cpu' }],
    ['convertToFloat16', { keepIo: 0 }],
    ['convertToFloat16', { keepFloat32: 'Softmax' }],
    ['convertToFloat16', { convert: [5] }],
    ['convertToFloat16', { ranges: {} }],
    ['compareModels', { values: ['y'] }],
    ['compareModels', { backend: 5 }],
    ['compareModels', { signal: {} }],
    ['compareModels', { onSample: true }],
    ...Object.keys(calls).flatMap((name) =>
      [null, 5, [], Symbol('options'), { x: 1 }].map((options): [string, unknown] => [name, options]),
    ),
  ])('%s refuses the options %s', async (name, options) => {
    const rest = name === 'translate' ? ['cpu'] : name === 'compareModels' ? [graph, samples] : []
    await expect(attempt(name, [graph, ...rest, options])).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  it('takes what is left out or undefined', () => {
    expect(() => importQuantized(graph, { target: undefined } as never)).not.toThrow()
    expect(() => convertToFloat16(graph, { keepIo: undefined } as never)).not.toThrow()
  })
})
