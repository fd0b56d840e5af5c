import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildFakeNvinfer, buildSimulator, sumModel } from '@lowlat/testing'
import { build } from 'tsup'
import { beforeAll, describe, it } from 'vitest'
import { expectCleanEnds } from './testing/clean-ends.ts'
import { buildAddon } from './testing/native-addon.ts'
import { addonUntestable } from './testing/native-bench.ts'

const TIMES = 100

const scenarios = [
  'exit-in-build',
  'throw-in-build',
  'exit-in-run',
  'exit-with-open-contexts',
  'end-with-open-contexts',
  'exit-in-dispose',
]

const cudaDriver = fileURLToPath(new URL('../../cuda-driver/', import.meta.url))

/** One file, which starts several times as fast as the sources; where koffi is found. */
async function bundleChild(): Promise<string> {
  const outDir = join(cudaDriver, 'node_modules/.cache/lowlat-trt-exits')
  await build({
    config: false,
    entry: [fileURLToPath(new URL('./testing/session-exits-child.ts', import.meta.url))],
    outDir,
    format: 'esm',
    outExtension: () => ({ js: '.mjs' }),
    target: 'node20',
    noExternal: [/^@lowlat\//],
    external: ['koffi'],
    silent: true,
    esbuildOptions: (options) => {
      options.conditions = ['@lowlat/source']
    },
  })
  return join(outDir, 'session-exits-child.mjs')
}

describe.skipIf(addonUntestable).each([10, 11] as const)('a process with a session over TensorRT %i', (major) => {
  let script: string
  let config: string
  let env: NodeJS.ProcessEnv

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lowlat-trt-session-exit-'))
    const model = join(folder, 'sum.onnx')
    writeFileSync(model, sumModel())
    script = await bundleChild()
    const { nvinferPath, onnxParserPath, pluginPath } = await buildFakeNvinfer({ major })
    const { driverPath } = await buildSimulator({ kernels: [] })
    env = { LOWLAT_CUDA_DRIVER_LIB: driverPath, LOWLAT_TRT_ADDON: await buildAddon() }
    config = JSON.stringify({
      nvinfer: nvinferPath,
      onnxParser: onnxParserPath,
      plugin: pluginPath,
      model,
      koffiFrom: join(cudaDriver, 'package.json'),
    })
    return () => rmSync(folder, { recursive: true })
  }, 900_000)

  it.each(scenarios)(`ends cleanly, ${TIMES} times: %s`, async (scenario) => {
    await expectCleanEnds(TIMES, [script, scenario, config], env)
  })
})
