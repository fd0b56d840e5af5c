import { randomUUID } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve, sep } from 'node:path'
import * as z from 'zod/mini'
import type { ModelSource, OptimizationProfile, Plan } from './contract.ts'
import { ConfigError, LowlatError, messageOf } from './errors.ts'
import { integerKnob, stringKnob } from './knobs.ts'
import { sha256Of, stampOf } from './model-source.ts'
import { decodeEntry, encodeEntry, hashOf, payloadFileName, stampSchema } from './plan-entry.ts'

const cacheFolderKnob = stringKnob({
  name: 'LOWLAT_CACHE_DIR',
  description: 'Folder of the plan cache.',
  default: '',
  defaultText: "lowlat in the user's cache folder",
})

const cacheSizeKnob = integerKnob({
  name: 'LOWLAT_CACHE_MAX_BYTES',
  description: 'Size in bytes beyond which the least recently used plans are removed.',
  default: 8 * 2 ** 30,
  min: 0,
})

/** Changes whenever the layout of an entry does; entries of other versions are never looked at. */
const FORMAT = 1
const DAY_MS = 24 * 3_600_000
const ABANDONED_AFTER_MS = DAY_MS
const FORGOTTEN_AFTER_MS = 30 * DAY_MS

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
 * not match its checksums is removed and compiled again; the least recently used entries go when it grows too large.
 *
 * In the folder: `plans/KEY/{plan.json,payload}`, `models/` (hashes of model files, to read each only once), and
 * `work/` (entries that are being made or removed).
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
    this.folder = resolve(options.folder ?? (cacheFolderKnob.read() || defaultCacheFolder()))
    this.maxBytes = options.maxBytes ?? cacheSizeKnob.read()
    this.#onRejected = options.onRejected ?? (() => {})
  }

  /** Key of a plan: a hash over the model's content and `parts`. Reads the model once per change of the file. */
  async keyFor(model: ModelSource, parts: PlanKeyParts): Promise<string> {
    const modelSha256 = model.kind === 'file' ? await this.#fileSha256(model.path) : await sha256Of(model)
    return hashOf({ format: FORMAT, model: modelSha256, ...parts })
  }

  /**
   * The plan under `key`; undefined when there is none that can be used.
   * @throws ConfigError CONFIG_INVALID when a damaged entry cannot be removed.
   */
  async get(key: string, model: ModelSource): Promise<Plan | undefined> {
    const manifest = join(this.#entry(key), 'plan.json')
    try {
      const plan = await decodeEntry(await readFile(manifest, 'utf8'), join(this.#entry(key), payloadFileName), model)
      // Marks the entry as used; in a read-only cache there is nothing to evict, so failing is fine.
      await utimes(manifest, new Date(), new Date()).catch(() => {})
      return plan
    } catch (error) {
      // Gone, or going: another process may be removing it at this moment.
      if (isMissing(error) || !(await stat(manifest).catch(ifMissing))) return undefined
      return this.reject(key, messageOf(error))
    }
  }

  /** Removes an entry that cannot be used. @throws ConfigError CONFIG_INVALID when the cache cannot be written. */
  async reject(key: string, reason: string): Promise<undefined> {
    this.#onRejected({ key, reason })
    await this.#writing(async () => {
      await mkdir(join(this.folder, 'work'), { recursive: true })
      await this.#remove(key)
    })
  }

  /**
   * Calls `compile` with an empty folder for its files and stores the plan that it returns. Where another process was
   * faster, its plan is returned.
   * @throws ConfigError CONFIG_INVALID when the cache cannot be written; whatever `compile` throws.
   */
  async put(key: string, model: ModelSource, compile: (workFolder: string) => Promise<Plan>): Promise<Plan> {
    const work = join(this.folder, 'work', randomUUID())
    await this.#writing(() => mkdir(work, { recursive: true }))
    try {
      const plan = await compile(work)
      return await this.#writing(async () => {
        const staged = join(work, 'entry')
        await stage(plan, staged, work, model)
        const other = await this.#publish(staged, key, model)
        await this.#evict(key)
        return other ?? { ...plan, payload: { kind: 'file', path: join(this.#entry(key), payloadFileName) } }
      })
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  }

  #entry(key: string): string {
    return join(this.folder, 'plans', key)
  }

  /** Failures of the file system as errors that name the cache. */
  async #writing<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action()
    } catch (error) {
      throw error instanceof LowlatError ? error : unwritable(this.folder, error)
    }
  }

  /** The plan of another process, where that was faster and left one that can be used. */
  async #publish(staged: string, key: string, model: ModelSource): Promise<Plan | undefined> {
    await mkdir(join(this.folder, 'plans'), { recursive: true })
    for (let attempt = 0; ; attempt++) {
      try {
        await rename(staged, this.#entry(key))
        return undefined
      } catch (error) {
        if (attempt === 3 || !isOccupied(error)) throw error
        const other = await this.get(key, model)
        if (other) return other
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

  async #evict(keep: string): Promise<void> {
    const plans = join(this.folder, 'plans')
    const entries = []
    let totalBytes = 0
    for (const key of await readdir(plans)) {
      const [manifest, payload] = await Promise.all([
        stat(join(plans, key, 'plan.json')).catch(ifMissing),
        stat(join(plans, key, payloadFileName)).catch(ifMissing),
      ])
      const sizeBytes = payload?.size ?? 0
      totalBytes += sizeBytes
      // Entries appear whole, so one that lacks a file is damaged, and goes first.
      entries.push({ key, sizeBytes, usedMs: manifest && payload ? manifest.mtimeMs : Number.NEGATIVE_INFINITY })
    }
    entries.sort((a, b) => a.usedMs - b.usedMs)
    for (const { key, sizeBytes, usedMs } of entries) {
      if (totalBytes <= this.maxBytes && Number.isFinite(usedMs)) break
      if (key === keep) continue
      await this.#remove(key)
      totalBytes -= sizeBytes
    }
    // What a process that was killed left behind, and models that nobody compiled for long.
    await removeOlderThan(join(this.folder, 'work'), ABANDONED_AFTER_MS)
    await removeOlderThan(join(this.folder, 'models'), FORGOTTEN_AFTER_MS)
  }

  /** SHA-256 of a file, remembered by its path, size and modification time. */
  async #fileSha256(path: string): Promise<string> {
    const stamp = await stampOf(path)
    const remembered = join(this.folder, 'models', hashOf(path))
    const known = hashSchema.safeParse(await readJson(remembered))
    if (known.success && known.data.sizeBytes === stamp.sizeBytes && known.data.modifiedNs === stamp.modifiedNs) {
      return known.data.sha256
    }
    const sha256 = await sha256Of({ kind: 'file', path })
    // A memory that cannot be written costs time at the next load and nothing else: the cache may be read-only.
    await writeAtomically(remembered, JSON.stringify({ ...stamp, sha256 })).catch(() => {})
    return sha256
  }
}

const hashSchema = z.extend(stampSchema, { sha256: z.string() })

/** Makes the folder of an entry, ready to be renamed into its place. */
async function stage(plan: Plan, folder: string, work: string, model: ModelSource): Promise<void> {
  await mkdir(folder)
  const path = join(folder, payloadFileName)
  if (plan.payload.kind === 'bytes') await writeFile(path, plan.payload.bytes)
  else if (resolve(plan.payload.path).startsWith(join(work, sep))) await rename(plan.payload.path, path)
  else await copyFile(plan.payload.path, path) // not ours to move, perhaps the model itself
  await writeFile(join(folder, 'plan.json'), await encodeEntry(plan, path, model))
}

async function writeAtomically(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}`
  await mkdir(dirname(path), { recursive: true })
  await writeFile(temporary, text)
  await rename(temporary, path)
}

async function removeOlderThan(folder: string, ageMs: number): Promise<void> {
  for (const name of (await readdir(folder).catch(ifMissing)) ?? []) {
    const found = await stat(join(folder, name)).catch(ifMissing)
    if (found && Date.now() - found.mtimeMs > ageMs) await rm(join(folder, name), { recursive: true, force: true })
  }
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch {
    return undefined // absent or damaged: the caller computes the fact anew
  }
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
/** ENOTDIR: a file stands where the cache's folder should be. */
const isMissing = (error: unknown) => ['ENOENT', 'ENOTDIR'].includes(String(codeOf(error)))
const isOccupied = (error: unknown) => ['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(String(codeOf(error)))

function ifMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error
}
