import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildOnce, link } from '@lowlat/testing'

const cacheFolder = fileURLToPath(new URL('../../../../node_modules/.cache/lowlat-trt-other', import.meta.url))

/** A library that says to be this version of TensorRT, of a major that is not known here: nothing else of it may be called. */
export async function buildOtherMajor(version: string): Promise<string> {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  const number = major * (major < 10 ? 1000 : 10_000) + minor * 100 + patch
  const forbidden = ['createInferBuilder_INTERNAL', 'createInferRuntime_INTERNAL', 'getPluginRegistry']
  const text = [
    '#include <cstdlib>',
    `extern "C" int getInferLibVersion() { return ${number}; }`,
    ...forbidden.map((name) => `extern "C" void* ${name}() { abort(); }`),
    '',
  ].join('\n')
  mkdirSync(cacheFolder, { recursive: true })
  const source = join(cacheFolder, `version-${version}.cpp`)
  await buildOnce(source, async (partial) => writeFileSync(partial, text))
  return link({ cacheFolder, name: 'libnvinfer', sources: [source], flags: ['-fPIC'], includePath: [], libraries: [] })
}
