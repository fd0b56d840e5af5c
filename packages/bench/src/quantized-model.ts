import { writeFile } from 'node:fs/promises'
import { type Feeds, Tensor } from '@lowlat/core'
import { quantize, type Target } from '@lowlat/quantize'
import { backendInput } from './subjects/backends.ts'
import type { ModelFacts } from './subjects/spec.ts'
import { syntheticInputs } from './subjects/synthetic.ts'

export interface QuantizationRequest {
  readonly model: ModelFacts
  readonly target: Target
  /** File to write. */
  readonly path: string
}

/**
 * Writes a model in INT8, with ranges from a single synthetic request: the time of its kernels does not depend on the
 * numbers, and its answers mean nothing.
 * @throws as quantizing does.
 */
export async function writeQuantized({ model, target, path }: QuantizationRequest): Promise<void> {
  const sample: Feeds = Object.fromEntries(
    syntheticInputs(model.inputs, 1).map(({ name, dtype, shape, data }) => [name, new Tensor(dtype, shape, data)]),
  )
  const quantized = await quantize(model.path, {
    samples: [sample],
    target,
    method: 'minmax',
    weights: 'absmax',
    recovery: 'none',
    backend: backendInput('cpu'),
  })
  await writeFile(path, quantized.model)
}
