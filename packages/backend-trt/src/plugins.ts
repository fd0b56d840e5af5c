import { isAbsolute, resolve } from 'node:path'
import { ConfigError, type FileStamp, isLowlatError, stampOf } from '@lowlat/core'
import type { TensorRt } from './tensorrt/library.ts'

/** A bare name is looked for as the system looks for libraries. */
const isBareName = (path: string) => !isAbsolute(path) && !path.includes('/')

/** Where a library lies, whatever the working directory is later. */
export const pluginPath = (path: string): string => (isBareName(path) ? path : resolve(path))

/**
 * Makes plugins known to TensorRT.
 * @throws ConfigError CONFIG_INVALID for a library that cannot be loaded.
 */
export function loadPlugins(tensorRt: TensorRt, paths: readonly string[]): void {
  for (const path of new Set(paths.map(pluginPath))) tensorRt.loadPluginLibrary(path)
}

/** What tells one build of the plugins from another. @throws ConfigError CONFIG_INVALID for a file that is not there. */
export async function stampOfPlugins(paths: readonly string[]): Promise<readonly unknown[]> {
  return Promise.all(paths.map(pluginPath).map(async (path) => (isBareName(path) ? path : { ...(await stamp(path)) })))
}

async function stamp(path: string): Promise<FileStamp> {
  return stampOf(path).catch((cause: unknown) => {
    if (!isLowlatError(cause, 'MODEL_NOT_FOUND')) throw cause
    throw new ConfigError('CONFIG_INVALID', {
      message: `Expected a library with plugins, but '${path}' is not there.`,
      remedy: 'Check the path; relative paths start at the working directory.',
      received: path,
      cause,
    })
  })
}
