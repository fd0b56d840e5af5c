import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildOnce, link } from '@lowlat/testing'
import { nativeFlags, nativeSources, tablesText } from '../../scripts/build-native.mjs'

const cacheFolder = fileURLToPath(new URL('../../../../node_modules/.cache/lowlat-trt-addon', import.meta.url))
const sanitizers = ['-O1', '-fno-omit-frame-pointer', '-fsanitize=address,undefined', '-fno-sanitize-recover=undefined']

/**
 * Builds the addon from its sources, unless it is in the cache under `node_modules/.cache`; takes half a minute the first
 * time. The path goes into LOWLAT_TRT_ADDON.
 * @param options.sanitize with AddressSanitizer and UndefinedBehaviorSanitizer: see `runSanitized`.
 * @throws Error with the compiler's output.
 */
export async function buildAddon({ sanitize = false }: { sanitize?: boolean } = {}): Promise<string> {
  const tables = tablesText()
  const key = createHash('sha256').update(tables).digest('hex').slice(0, 24)
  const header = join(cacheFolder, `tables-${key}`, 'abi_tables.h')
  mkdirSync(dirname(header), { recursive: true })
  await buildOnce(header, async (partial) => writeFileSync(partial, tables))
  const flags = nativeFlags()
  const library = await link({
    cacheFolder,
    name: 'lowlat_trt',
    sources: nativeSources().filter((path) => path.endsWith('.cpp')),
    flags: [...flags.compile, '-g1', ...(sanitize ? sanitizers : ['-O2'])],
    includePath: [dirname(header)],
    libraries: [...flags.link, '-ldl', '-pthread'],
  })
  // Node.js goes by the name.
  const addon = library.replace(/\.so$/, '.node')
  await buildOnce(addon, async (partial) => copyFileSync(library, partial))
  return addon
}
