import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { buildFakeNvinfer, buildSimulator, pictureModel } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildAddon } from './testing/native-addon.ts'
import { addonUntestable } from './testing/native-bench.ts'

const starter = fileURLToPath(new URL('../../../examples/run.mjs', import.meta.url))

describe.skipIf(addonUntestable)(`the example${addonUntestable ? ` (${addonUntestable})` : ''}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'lowlat-trt-example-'))
  const model = join(folder, 'small.onnx')
  let addon: string
  let driverPath: string

  beforeAll(async () => {
    writeFileSync(model, pictureModel())
    addon = await buildAddon()
    driverPath = (await buildSimulator({ kernels: [] })).driverPath
    await Promise.all(([10, 11] as const).map((major) => buildFakeNvinfer({ major })))
  }, 900_000)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.each([10, 11] as const)(
    'runs on the stand-in for TensorRT %i, found by its name, with one build for each precision',
    async (major) => {
      const { nvinferPath, onnxParserPath } = await buildFakeNvinfer({ major })
      const env = {
        ...process.env,
        LOWLAT_CACHE_DIR: join(folder, `cache-${major}`),
        LOWLAT_CUDA_DRIVER_LIB: driverPath,
        LOWLAT_TRT_ADDON: addon,
        LOWLAT_NVINFER_LIB: nvinferPath,
        LOWLAT_NVONNXPARSER_LIB: onnxParserPath,
      }
      const example = async () =>
        (await promisify(execFile)(process.execPath, [starter, '08', 'auto', model], { cwd: folder, env })).stdout
      const output = await example()
      expect(output.match(/^(fp32|fp16|int8): Building/gm)).toHaveLength(3)
      expect(output).toMatch(/^on trt +128 px/m)
      const rows = [...output.matchAll(/^(?:fp32|fp16|int8)(?: +[\d.]+ ms){4} +([\d.]+)$/gm)]
      expect(rows.map(([, cosine]) => Number(cosine) > 0.99)).toEqual([true, true, true])
      expect(output).toMatch(/^96 px: Shape \[1, 3, 96, 96\]/m)
      // The second time, plans come from the cache; noise calibrates anew, which makes another INT8 model.
      expect((await example()).match(/^(fp32|fp16): Building/gm)).toBeNull()
    },
    120_000,
  )
})
