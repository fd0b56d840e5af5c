import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import type { Backend, CompileOptions, Plan } from '@lowlat/core'

/** The plan of a model as bytes, in a new folder inside `folder`. */
export async function planOf(
  backend: Backend,
  model: Uint8Array,
  folder: string,
  options: Partial<CompileOptions> = {},
): Promise<Plan> {
  const workFolder = await mkdtemp(join(folder, 'work-'))
  const all = { precision: 'model', profiles: [], backendOptions: {}, workFolder, ...options } as const
  return backend.compile({ kind: 'bytes', bytes: model }, all)
}
