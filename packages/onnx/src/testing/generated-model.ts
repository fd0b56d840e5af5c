import { expect } from 'vitest'
import { onnxFromGraph } from '../graph/to-onnx.ts'
import { type GenerateOptions, generateGraph, type ModelName } from '../models/generate.ts'
import { type OrtFeeds, randomFeeds, runModel } from './run-model.ts'

/** Trainable parameters: float weights of any shape, without the statistics of batch normalisation. */
export function countParameters(name: ModelName, options?: GenerateOptions): number {
  return generateGraph(name, options)
    .initializers.filter(({ initializer }) => initializer!.elementType === 'float32' && initializer!.shape.length > 0)
    .filter((value) => value.uses.every((use) => !isStatistic(use)))
    .reduce((sum, { initializer }) => sum + initializer!.tensor.size, 0)
}

function isStatistic(use: ReturnType<typeof generateGraph>['inputs'][number]['uses'][number]): boolean {
  return use.kind === 'node' && use.node.opType === 'BatchNormalization' && use.index >= 3
}

/** Runs a generated model with a batch of 1 and of 2; outputs must be finite, sanely scaled, and differ between inputs. */
export async function expectToRun(name: ModelName, sequence = 8): Promise<void> {
  const bytes = onnxFromGraph(generateGraph(name))
  for (const batch of [1, 2]) {
    const outputs = await runModel(bytes, randomFeeds(bytes, { batch, sequence }))
    for (const output of Object.values(outputs)) expectSane(output, batch)
  }
}

function expectSane({ data, dims }: OrtFeeds[string], batch: number): void {
  const values = data as Float32Array
  expect(dims[0]).toBe(batch)
  expect(values.every(Number.isFinite)).toBe(true)
  const meanSquare = values.reduce((sum, value) => sum + value * value, 0) / values.length
  expect(meanSquare).toBeGreaterThan(0.01)
  expect(meanSquare).toBeLessThan(100)
  if (batch === 1) return
  const row = values.length / batch
  const difference = values
    .subarray(0, row)
    .reduce((most, value, i) => Math.max(most, Math.abs(value - values[row + i]!)), 0)
  expect(difference).toBeGreaterThan(0.01)
}
