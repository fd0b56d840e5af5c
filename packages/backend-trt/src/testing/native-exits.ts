import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildFakeNvinfer, buildSimulator, sumModel } from '@lowlat/testing'
import { beforeAll, describe, it } from 'vitest'
import { expectCleanEnds } from './clean-ends.ts'
import { buildAddon } from './native-addon.ts'
import { addonUntestable } from './native-bench.ts'

const script = fileURLToPath(new URL('./native-exits.mjs', import.meta.url))

const scenarios = [
  'exit-in-build',
  'exit-in-listener',
  'throw-in-build',
  'exit-in-load',
  'exit-in-run',
  'end-with-open-objects',
  'dispose-at-exit',
  'terminated-worker',
  'terminated-in-calls',
  'ended-worker',
]

/** Ends processes in the middle of everything, so many times each: code 7 means that nothing crashed, hung or was left. */
export function testExits(times: number): void {
  describe.skipIf(addonUntestable).each([10, 11] as const)('a process with the addon over TensorRT %i', (major) => {
    let config: string
    let driverPath: string

    beforeAll(async () => {
      const folder = mkdtempSync(join(tmpdir(), 'lowlat-trt-exit-'))
      const model = join(folder, 'sum.onnx')
      writeFileSync(model, sumModel())
      const { nvinferPath, onnxParserPath, pluginPath } = await buildFakeNvinfer({ major })
      driverPath = (await buildSimulator({ kernels: [] })).driverPath
      config = JSON.stringify({
        addon: await buildAddon(),
        nvinfer: nvinferPath,
        onnxParser: onnxParserPath,
        plugin: pluginPath,
        cudaDriver: driverPath,
        model,
        koffiFrom: fileURLToPath(new URL('../../../cuda-driver/package.json', import.meta.url)),
      })
      return () => rmSync(folder, { recursive: true })
    }, 900_000)

    it.each(scenarios)('ends cleanly: %s', async (scenario) => {
      await expectCleanEnds(times, [script, scenario, config], { LOWLAT_CUDA_DRIVER_LIB: driverPath })
    })
  })
}
