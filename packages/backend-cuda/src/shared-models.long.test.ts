import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createBackend as createCpuBackend } from '@lowlat/backend-cpu'
import { type Backend, createSession, type Feeds, type Session, sizeOf, Tensor } from '@lowlat/core'
import { createRandom } from '@lowlat/onnx'
import { testDataMissing, testDataPath } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { relativeError } from './testing/compare.ts'
import { cudaBackend, cudaUnavailable, useSimulator } from './testing/simulated-backend.ts'

const models = [
  'mnist.fp32.onnx',
  'resnet8_cifar10.fp32.onnx',
  'resnet20_cifar10.fp32.onnx',
  // With control flow on the host, and weights that are packed when the length of the input is known.
  'silero_vad_16k.fp32.onnx',
]
const reason = cudaUnavailable() ?? testDataMissing(`models/${models[0]}`)

/** Sizes of the named axes. */
const sizes: Readonly<Record<string, number>> = { sequence: 512 }

function feedsFor({ inputs }: Session): Feeds {
  const random = createRandom(5)
  return Object.fromEntries(
    inputs.map(({ name, dtype, shape }) => {
      const concrete = shape.map((dim) => (typeof dim === 'number' ? dim : (sizes[dim] ?? 1)))
      const tensor = Tensor.zeros(dtype, concrete)
      if (tensor.data instanceof Float32Array) random.normals(tensor.data, 0.1)
      if (tensor.data instanceof BigInt64Array) tensor.data.fill(16_000n, 0, sizeOf(concrete)) // a sampling rate
      return [name, tensor]
    }),
  )
}

describe.skipIf(reason)(`real models on the CUDA backend${reason ? ` (${reason})` : ''}`, () => {
  let folder: string

  beforeAll(async () => {
    await useSimulator()
    folder = await mkdtemp(join(tmpdir(), 'lowlat-cuda-models-'))
  })
  afterAll(() => folder && rm(folder, { recursive: true, force: true }))

  it.each(models)('%s gives what the CPU gives, compiled and from the plan cache', async (name) => {
    const path = testDataPath(`models/${name}`)
    await using cpu = await createSession(path, { backend: createCpuBackend(), cache: false, warmup: false })
    const feeds = feedsFor(cpu)
    const expected = await cpu.run(feeds)
    let compiles = 0
    const backend = cudaBackend()
    const counted: Backend = {
      ...backend,
      compile(...args) {
        compiles++
        return backend.compile(...args)
      },
    }
    for (const _ of ['cold', 'warm']) {
      const options = { backend: counted, cache: { folder }, warmup: false, contexts: 1 } as const
      await using cuda = await createSession(path, options)
      const fetches = await cuda.run(feeds)
      expect(Object.keys(fetches).sort()).toEqual(Object.keys(expected).sort())
      for (const [output, tensor] of Object.entries(expected)) {
        expect(relativeError(fetches[output]!, tensor), output).toBeLessThan(1e-4)
      }
    }
    expect(compiles).toBe(1)
  })
})
