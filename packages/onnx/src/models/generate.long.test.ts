import { expect, it } from 'vitest'
import { countParameters, expectToRun } from '../testing/generated-model.ts'

it('BERT-base has the published number of parameters', () => {
  expect(countParameters('bert_base')).toBe(109_482_240)
})

it.each(['vit_s16', 'bert_base'] as const)('%s runs in ONNX Runtime with any batch size', (name) => expectToRun(name))

it('BERT-base takes sequences of any length up to 512', () => expectToRun('bert_base', 200))
