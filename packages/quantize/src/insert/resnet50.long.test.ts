import { createBackend } from '@lowlat/backend-cpu'
import { Tensor } from '@lowlat/core'
import { createRandom, generateGraph } from '@lowlat/onnx'
import { expect, it } from 'vitest'
import { prepareGraph } from '../graph/prepare.ts'
import { cpuRecipe } from '../targets/cpu.ts'
import { PlainQuantizer } from '../testing/plain-quantizer.ts'

const plain = new PlainQuantizer(createBackend())

it('ResNet-50 runs on integers from its input to its logits', { timeout: 120_000 }, async () => {
  const data = createRandom(1).normals(new Float32Array(3 * 224 * 224), 1)
  const feeds = { input: new Tensor('float32', [1, 3, 224, 224], data) }
  const quantized = await plain.quantize(prepareGraph(generateGraph('resnet50')), cpuRecipe, [feeds])
  const operators = await plain.operatorsRun(quantized, feeds)
  expect(operators.get('QLinearConv')).toBe(53)
  expect(operators.get('QLinearAdd')).toBe(16)
  expect(operators.get('QGemm')).toBe(1)
  for (const float of ['Conv', 'FusedConv', 'Add', 'Relu', 'Gemm', 'DequantizeLinear']) {
    expect(operators.has(float)).toBe(false)
  }
})
