import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { FileStamp, ModelSource, OptimizationProfile, Plan } from './contract.ts'
import { ConfigError, messageOf } from './errors.ts'
import { integerKnob, stringKnob } from './knobs.ts'
import { sha256Of, stampOf } from './model-source.ts'

export const cacheFolderKnob = stringKnob({
  name: 'LOWLAT_CACHE_DIR',
  description: 'Folder of the plan cache.',
  default: '',
  defaultText: "lowlat in the user's cache folder",
})

export const cacheSizeKnob = integerKnob({
  name: 'LOWLAT_CACHE_MAX_BYTES',
  description: 'Size in bytes beyond which the least recently used plans are removed.',
  default: 8 * 2 ** 30,
  min: 0,
})

/** Changes whenever the layout of an entry does; entries of other versions are never looked at. */
const FORMAT = 1
const ABANDONED_AFTER_MS = 24 * 3_600_000

const stampSchema = z.object({ path: z.string(), sizeBytes: z.number(), modifiedNs: z.string() })
const infoSchema = z.object({ name: z.string(), dtype: z.string(), shape: z.array(z.union([z.number(), z.string()])) })
const entrySchema = z.object({
  backend: z.string(),
  inputs: z.array(infoSchema),
  outputs: z.array(infoSchema),
  profiles: z.array(z.record(z.string(), z.unknown())),
  metadata: z.record(z.string(), z.unknown()),
  dependencies: z.array(stampSchema),
  payload: z.object({ sizeBytes: z.number(), sha256: z.string(), modifiedNs: z.string() }),
})

/** What a cached plan depends on. */
export interface PlanKeyParts {
  readonly backend: string
  readonly precision: string
  readonly profiles: readonly OptimizationProfile[]
  /** From {@link Backend.planKey}. */
  readonly environment: Readonly<Record<string, unknown>>
}

/** Why an entry that was there could not be used. */
export interface CacheRejection {
  readonly key: string
  readonly reason: string
}

/**
 * Compiled plans on disk, addressed by the content of the model and everything else that the plan depends on. An entry
 * is a folder that appears by an atomic rename, so several processes may share the cache; an entry whose content does
 * not match its checksum is removed and compiled again; the least recently used entries go when it grows too large.
 */
export class PlanCache {
  readonly folder: string
  readonly maxBytes: number
  readonly #onRejected: (rejection: CacheRejection) => void

  constructor(
    options: {
      folder?: string
      maxBytes?: number
      /** Told about entries that were there but unusable. */
      onRejected?: (rejection: CacheRejection) => void
    } = {},
  ) {
    this.folder = options.folder ?? (cacheFolderKnob.read() || defaultCacheFolder())
    this.maxBytes = options.maxBytes ?? cacheSizeKnob.read()
    this.#onRejected = options.onRejected ?? (() => {})
  }

  /** Key of a plan: a hash over the model's content and `parts`. Reads the model once per change of the file. */
  async keyFor(model: ModelSource, parts: PlanKeyParts): Promise<string> {
    const modelSha256 = model.kind === 'file' ? await this.#fileSha256(model.path) : await sha256Of(model)
    return createHash('sha256')
      .update(canonicalJson({ format: FORMAT, model: modelSha256, ...parts }))
      .digest('hex')
  }

  /** The plan under `key`; undefined when there is none that can be used. */
  async get(key: string): Promise<Plan | undefined> {
    const folder = this.#entry(key)
    let text: string
    try {
      text = await readFile(join(folder, 'plan.json'), 'utf8')
    } catch (error) {
      if (isMissing(error)) return undefined
      return this.#reject(key, messageOf(error))
    }
    try {
      const entry = entrySchema.parse(JSON.parse(text))
      const path = join(folder, 'payload')
      await checkPayload(path, entry.payload)
      for (const dependency of entry.dependencies) await checkDependency(dependency)
      // Marks the entry as used; in a read-only cache there is nothing to evict, so failing is fine.
      await utimes(join(folder, 'plan.json'), new Date(), new Date()).catch(() => {})
      const { payload: _, ...facts } = entry
      return { ...(facts as Omit<Plan, 'payload'>), payload: { kind: 'file', path } }
    } catch (error) {
      return this.#reject(key, messageOf(error))
    }
  }

  /**
   * Calls `compile` with an empty folder for its files and stores the plan that it returns.
   * @throws ConfigError CONFIG_INVALID when the cache cannot be written; whatever `compile` throws.
   */
  async put(key: string, compile: (workFolder: string) => Promise<Plan>): Promise<Plan> {
    const work = join(this.folder, 'work', randomUUID())
    await mkdir(work, { recursive: true }).catch((cause) => {
      throw unwritable(this.folder, cause)
    })
    try {
      const plan = await compile(work)
      const staged = join(work, 'entry')
      await mkdir(staged)
      const path = join(staged, 'payload')
      if (plan.payload.kind === 'bytes') await writeFile(path, plan.payload.bytes)
      else await rename(plan.payload.path, path)
      const stamp = await stampOf(path)
      const { payload: _, ...facts } = plan
      const payload = { ...stamp, sha256: await sha256Of({ kind: 'file', path }) }
      const entry = { dependencies: [], ...facts, payload }
      await writeFile(join(staged, 'plan.json'), JSON.stringify(entry))
      await this.#publish(staged, key)
      await this.#evict(key)
      return { ...plan, payload: { kind: 'file', path: join(this.#entry(key), 'payload') } }
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  }

  #entry(key: string): string {
    return join(this.folder, 'plans', key)
  }

  async #publish(staged: string, key: string): Promise<void> {
    await mkdir(join(this.folder, 'plans'), { recursive: true })
    for (let attempt = 0; ; attempt++) {
      try {
        await rename(staged, this.#entry(key))
        return
      } catch (error) {
        // Another process was faster, or left an entry that `get` refused: ours is as good, so it takes the place.
        if (attempt === 3 || !isOccupied(error)) throw error
        await this.#remove(key)
      }
    }
  }

  /** Moves the entry aside first, so that no other process sees half of it. */
  async #remove(key: string): Promise<void> {
    const aside = join(this.folder, 'work', randomUUID())
    try {
      await rename(this.#entry(key), aside)
    } catch (error) {
      if (isMissing(error)) return
      throw error
    }
    await rm(aside, { recursive: true, force: true })
  }

  async #reject(key: string, reason: string): Promise<undefined> {
    this.#onRejected({ key, reason })
    await mkdir(join(this.folder, 'work'), { recursive: true })
    await this.#remove(key)
    return undefined
  }

  async #evict(keep: string): Promise<void> {
    const plans = join(this.folder, 'plans')
    const entries = []
    let totalBytes = 0
    for (const key of await readdir(plans)) {
      const [manifest, payload] = await Promise.all([
        stat(join(plans, key, 'plan.json')).catch(ifMissing),
        stat(join(plans, key, 'payload')).catch(ifMissing),
      ])
      if (!manifest || !payload) continue
      totalBytes += payload.size
      entries.push({ key, sizeBytes: payload.size, usedMs: manifest.mtimeMs })
    }
    entries.sort((a, b) => a.usedMs - b.usedMs)
    for (const { key, sizeBytes } of entries) {
      if (totalBytes <= this.maxBytes) break
      if (key === keep) continue
      await this.#remove(key)
      totalBytes -= sizeBytes
    }
    await this.#removeAbandoned()
  }

  /** What a process that was killed left behind. */
  async #removeAbandoned(): Promise<void> {
    const work = join(this.folder, 'work')
    for (const name of await readdir(work)) {
      const found = await stat(join(work, name)).catch(ifMissing)
      if (found && Date.now() - found.mtimeMs > ABANDONED_AFTER_MS) {
        await rm(join(work, name), { recursive: true, force: true })
      }
    }
  }

  /** SHA-256 of a file, remembered by its path, size and modification time. */
  async #fileSha256(path: string): Promise<string> {
    const stamp = await stampOf(path)
    const name = createHash('sha256').update(path).digest('hex')
    const remembered = join(this.folder, 'models', name)
    const known = hashSchema.safeParse(await readJson(remembered))
    if (known.success && known.data.sizeBytes === stamp.sizeBytes && known.data.modifiedNs === stamp.modifiedNs) {
      return known.data.sha256
    }
    const sha256 = await sha256Of({ kind: 'file', path })
    await this.#remember(remembered, { ...stamp, sha256 })
    return sha256
  }

  /** A memory that cannot be written costs time at the next load and nothing else. */
  async #remember(path: string, fact: z.infer<typeof hashSchema>): Promise<void> {
    const temporary = `${path}.${randomUUID()}`
    try {
      await mkdir(join(this.folder, 'models'), { recursive: true })
      await writeFile(temporary, JSON.stringify(fact))
      await rename(temporary, path)
    } catch (cause) {
      throw unwritable(this.folder, cause)
    }
  }
}

const hashSchema = stampSchema.extend({ sha256: z.string() })

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch {
    return undefined // absent or damaged: the caller computes the fact anew
  }
}

/** Size always; the checksum only when the file was touched since it was written. */
async function checkPayload(path: string, known: z.infer<typeof entrySchema>['payload']): Promise<void> {
  const stamp = await stampOf(path)
  if (stamp.sizeBytes !== known.sizeBytes) {
    throw new Error(`the payload has ${stamp.sizeBytes} bytes instead of ${known.sizeBytes}`)
  }
  if (stamp.modifiedNs === known.modifiedNs) return
  if ((await sha256Of({ kind: 'file', path })) !== known.sha256) throw new Error('the payload fails its checksum')
}

async function checkDependency(known: FileStamp): Promise<void> {
  const stamp = await stampOf(known.path)
  if (stamp.sizeBytes !== known.sizeBytes || stamp.modifiedNs !== known.modifiedNs) {
    throw new Error(`'${known.path}' has changed`)
  }
}

/** JSON with sorted keys, so that equal values have equal text. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

function defaultCacheFolder(): string {
  if (process.env.XDG_CACHE_HOME) return join(process.env.XDG_CACHE_HOME, 'lowlat')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'lowlat')
  if (process.platform === 'win32' && process.env.LOCALAPPDATA) return join(process.env.LOCALAPPDATA, 'lowlat', 'cache')
  return join(homedir(), '.cache', 'lowlat')
}

function unwritable(folder: string, cause: unknown): ConfigError {
  return new ConfigError('CONFIG_INVALID', {
    message: `The plan cache '${folder}' cannot be written: ${messageOf(cause)}.`,
    remedy: `Set ${cacheFolderKnob.name} to a folder that can be written, or pass cache: false.`,
    received: folder,
    details: { cache: folder },
    cause,
  })
}

const codeOf = (error: unknown) => (error instanceof Error && 'code' in error ? error.code : undefined)
const isMissing = (error: unknown) => codeOf(error) === 'ENOENT'
const isOccupied = (error: unknown) => ['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(String(codeOf(error)))

function ifMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error
}
