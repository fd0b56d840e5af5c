import { isAbsolute, resolve } from 'node:path'
import { stampOf } from '@lowlat/core'
import type { TensorRt } from './tensorrt/library.ts'

const loaded = new WeakMap<TensorRt, Set<string>>()

/** A bare name is looked for as the system looks for libraries. */
const isBareName = (path: string) => !isAbsolute(path) && !path.includes('/')

/**
 * Makes plugins known to TensorRT, each library once in the process: their registry is one for all.
 * @throws ConfigError CONFIG_INVALID for a library that cannot be loaded.
 */
export function loadPlugins(tensorRt: TensorRt, paths: readonly string[]): void {
  const known = loaded.get(tensorRt) ?? new Set()
  loaded.set(tensorRt, known)
  for (const given of paths) {
    const path = isBareName(given) ? given : resolve(given)
    if (known.has(path)) continue
    tensorRt.loadPluginLibrary(path)
    known.add(path)
  }
}

/** What tells one build of the plugins from another. @throws ModelError MODEL_NOT_FOUND for a file that is not there. */
export async function stampOfPlugins(paths: readonly string[]): Promise<readonly unknown[]> {
  return Promise.all(paths.map(async (path) => (isBareName(path) ? path : { ...(await stampOf(resolve(path))) })))
}
