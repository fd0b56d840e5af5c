import { createHash } from 'node:crypto'
import { chmod, copyFile, mkdir, open, rename, writeFile } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import * as z from 'zod/mini'
import type { FileStamp, ModelSource, Plan } from './contract.ts'
import { isDType } from './dtype.ts'
import { isUnchanged, sha256Of, stampOf } from './model-source.ts'

/** Name of a plan's file, in the cache and wherever else it lies, so that a payload can refer to itself. */
export const payloadFileName = 'payload'

/** What stands in an entry's plan.json: the plan without its payload, and how to recognise both as undamaged. */
export const stampSchema = z.object({ path: z.string(), sizeBytes: z.number(), modifiedNs: z.string() })
const shapeSchema = z.array(z.number())
const infoSchema = z.object({
  name: z.string(),
  dtype: z.custom<Plan['inputs'][number]['dtype']>(isDType, 'expected a dtype'),
  shape: z.array(z.union([z.number(), z.string()])),
})
const entrySchema = z.object({
  backend: z.string(),
  inputs: z.array(infoSchema),
  outputs: z.array(infoSchema),
  profiles: z.array(z.record(z.string(), z.object({ min: shapeSchema, opt: shapeSchema, max: shapeSchema }))),
  metadata: z.record(z.string(), z.unknown()),
  dependencies: z.array(stampSchema),
  payload: z.object({ sizeBytes: z.number(), sha256: z.string(), modifiedNs: z.string() }),
})
const sealedSchema = z.object({ sha256: z.string(), entry: z.unknown() })

type Entry = z.infer<typeof entrySchema>

/**
 * Makes the folder of an entry, complete and on the disk, ready to be renamed into its place: after a power cut there
 * is all of it or none. The payload can only be read, since running sessions map it. Takes it from below `work`; copies
 * it from anywhere else.
 */
export async function stageEntry(plan: Plan, folder: string, work: string, model: ModelSource): Promise<void> {
  await mkdir(folder)
  const payload = join(folder, payloadFileName)
  const manifest = join(folder, 'plan.json')
  if (plan.payload.kind === 'bytes') await writeFile(payload, plan.payload.bytes)
  else if (resolve(plan.payload.path).startsWith(join(work, sep))) await rename(plan.payload.path, payload)
  else await copyFile(plan.payload.path, payload) // not ours to move, perhaps the model itself
  await writeFile(manifest, await encodeEntry(plan, payload, model))
  await flush(payload)
  await flush(manifest)
  if (!onWindows) await flush(folder)
  await chmod(payload, 0o444)
}

/** Where a file is flushed only when it is open for writing, and a folder never. */
const onWindows = process.platform === 'win32'

async function flush(path: string): Promise<void> {
  const file = await open(path, onWindows ? 'r+' : 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** The text of plan.json for a plan whose payload lies at `payloadPath`. */
async function encodeEntry(plan: Plan, payloadPath: string, model: ModelSource): Promise<string> {
  const { sizeBytes, modifiedNs } = await stampOf(payloadPath)
  const sha256 = await sha256Of({ kind: 'file', path: payloadPath })
  const { payload: _, dependencies = [], ...facts } = plan
  const beside = dependencies.map((stamp) => ({ ...stamp, path: fromModel(model, stamp.path) }))
  const entry = { ...facts, dependencies: beside, payload: { sizeBytes, modifiedNs, sha256 } }
  return JSON.stringify({ sha256: hashOf(entry), entry })
}

/**
 * The plan in plan.json's text, with its payload at `payloadPath`.
 * @throws Error that says why, when anything is damaged, or a dependency of this model has changed.
 */
export async function decodeEntry(text: string, payloadPath: string, model: ModelSource): Promise<Plan> {
  const sealed = sealedSchema.parse(JSON.parse(text))
  if (hashOf(sealed.entry) !== sealed.sha256) throw new Error('plan.json fails its checksum')
  const { payload, dependencies, ...facts } = entrySchema.parse(sealed.entry)
  await checkPayload(payloadPath, payload)
  const own = dependencies.map((stamp) => ({ ...stamp, path: besideModel(model, stamp.path) }))
  for (const dependency of own) await checkDependency(dependency)
  return { ...facts, dependencies: own, payload: { kind: 'file', path: payloadPath } }
}

// The same model file at another place has other files beside it: paths count from the model.

function fromModel(model: ModelSource, path: string): string {
  return model.kind === 'file' ? relative(dirname(model.path), path) : path
}

function besideModel(model: ModelSource, path: string): string {
  return model.kind === 'file' ? resolve(dirname(model.path), path) : path
}

/** Size always; the checksum only when the file was touched since it was written. */
async function checkPayload(path: string, known: Entry['payload']): Promise<void> {
  const stamp = await stampOf(path)
  if (stamp.sizeBytes !== known.sizeBytes) {
    throw new Error(`the payload has ${stamp.sizeBytes} bytes instead of ${known.sizeBytes}`)
  }
  if (stamp.modifiedNs === known.modifiedNs) return
  if ((await sha256Of({ kind: 'file', path })) !== known.sha256) throw new Error('the payload fails its checksum')
}

async function checkDependency(known: FileStamp): Promise<void> {
  if (!(await isUnchanged(known))) throw new Error(`'${known.path}' has changed`)
}

/** SHA-256 of a value's JSON with sorted keys, so that equal values have equal hashes. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex')
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
