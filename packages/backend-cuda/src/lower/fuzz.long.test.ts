import { createBackend as createCpuBackend } from '@lowlat/backend-cpu'
import { Tensor } from '@lowlat/core'
import { createRandom, onnxFromGraph } from '@lowlat/onnx'
import { convertToFloat16 } from '@lowlat/quantize'
import { simulatorUnavailable } from '@lowlat/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { relativeError } from '../testing/compare.ts'
import { type LoadedKernels, loadKernels } from '../testing/load-kernels.ts'
import { programBackend } from '../testing/program-backend.ts'
import { randomGraph } from '../testing/random-graph.ts'
import { runModel } from '../testing/run-model.ts'

/** LOWLAT_FUZZ_SEED=17 runs one seed alone. */
const first = process.env.LOWLAT_FUZZ_SEED
const seeds = first ? [Number(first)] : Array.from({ length: 100 }, (_, index) => index + 1)

const missing = simulatorUnavailable()

describe.skipIf(missing)(`random graphs${missing ? `: ${missing}` : ''}`, () => {
  const cpu = createCpuBackend()
  let kernels: LoadedKernels

  beforeAll(async () => {
    kernels = await loadKernels()
  })

  it.each(seeds)('compute what the CPU backend computes: seed %i', async (seed) => {
    const graph = randomGraph(seed)
    const model = onnxFromGraph(graph)
    const shape = graph.inputs[0]!.shape as number[]
    const x = Tensor.zeros('float32', shape)
    createRandom(seed).normals(x.data, 1)
    const expected = await runModel(model, { x }, cpu)
    const { graph: half } = convertToFloat16(graph)
    for (const [precision, tested, tolerance] of [
      ['fp32', model, 1e-5],
      ['fp16', model, 2e-2],
      ['model', onnxFromGraph(half), 2e-2],
    ] as const) {
      const backend = programBackend({ ...kernels, host: cpu, lower: { precision } })
      const fetches = await runModel(tested, { x }, backend)
      for (const [name, tensor] of Object.entries(expected)) {
        expect(relativeError(fetches[name]!, tensor), `${name} with ${precision}`).toBeLessThan(tolerance)
      }
    }
  })
})
