import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plan } from '@lowlat/core'
import { createBackend } from '../backend.ts'

type FilePlan = Plan & { readonly payload: { readonly kind: 'file'; readonly path: string } }

/** The plan of a model as bytes, in a new folder inside `folder`. */
export async function filePlan(bytes: Uint8Array, folder: string): Promise<FilePlan> {
  const workFolder = await mkdtemp(join(folder, 'work-'))
  const options = { precision: 'model', profiles: [], backendOptions: {}, workFolder } as const
  return (await createBackend().compile({ kind: 'bytes', bytes }, options)) as FilePlan
}
