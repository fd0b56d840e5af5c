import { randomUUID } from 'node:crypto'
import { access, link, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import * as z from 'zod/mini'
import type { ModelSource, OptimizationProfile, Plan } from './contract.ts'
import { ConfigError, messageOf } from './errors.ts'
import { integerKnob, stringKnob } from './knobs.ts'
import { isUnchanged, sameStamp, sha256Of, stampOf } from './model-source.ts'
import { decodeEntry, hashOf, payloadFileName, stageEntry, stampSchema } from './plan-entry.ts'
import { compilingIn, ifMissing, isMissing, isOccupied, type Storage, writingTo } from './storage.ts'
import { createWorkFolder, sweepWorkFolders, type WorkFolder, workFolderName } from './work-folder.ts'

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
const FORGOTTEN_AFTER_MS = 30 * 24 * 3_600_000

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
 * A plan whose payload stays where it is until the plan is disposed, whatever becomes of its entry in the cache; what
 * was not disposed goes when the process exits.
 */
export interface LeasedPlan extends Plan {
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Compiled plans on disk, addressed by the content of the model and everything else that the plan depends on. An entry
 * is a folder that appears by an atomic rename, so several processes may share the cache; an entry whose content does
 * not match its checksums is removed and compiled again; the least recently used entries go when it grows too large.
 *
 * In the folder: `plans/KEY/{plan.json,payload}`, `models/` (hashes of model files, to read each only once), and
 * `work/`: entries that are being made (`build-`) or removed (`removed-`), and for each plan that was handed out
 * (`lease-`) a hard link to its payload, so that no eviction takes it from a session. Where the file system makes no
 * link (there are none, it is read-only or full), the plan is used in its entry, and lasts as long as that.
 */
export class PlanCache {
  readonly folder: string
  readonly maxBytes: number
  readonly #onRejected: (rejection: CacheRejection) => void
  readonly #storage: Storage

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
    this.#storage = {
      name: 'plan cache',
      folder: this.folder,
      remedy: `Make room, set ${cacheFolderKnob.name} to another folder, or pass cache: false.`,
    }
  }

  /**
   * Key of a plan: a hash over the model's content and `parts`. Reads the model once per change of the file.
   * @throws ConfigError CONFIG_INVALID when the environment is not JSON.
   */
  async keyFor(model: ModelSource, parts: PlanKeyParts): Promise<string> {
    const modelSha256 = model.kind === 'file' ? await this.#fileSha256(model.path) : await sha256Of(model)
    try {
      return hashOf({ format: FORMAT, model: modelSha256, ...parts })
    } catch (cause) {
      throw new ConfigError('CONFIG_INVALID', {
        message: `Expected the plan key of the backend '${parts.backend}' to be JSON, but it is not: ${messageOf(cause)}.`,
        remedy: 'Give the backend options that JSON can hold (no bigint, nothing that contains itself).',
        cause,
      })
    }
  }

  /**
   * The plan under `key`; undefined when there is none that can be used.
   * @throws ConfigError CONFIG_INVALID when a damaged entry cannot be removed.
   */
  async get(key: string, model: ModelSource): Promise<LeasedPlan | undefined> {
    const manifest = join(this.#entry(key), 'plan.json')
    let lease: Lease | undefined
    try {
      const text = await readFile(manifest, 'utf8').catch(ifMissing)
      if (text === undefined) return undefined
      lease = await this.#lease(key, this.#entry(key))
      const plan = await decodeEntry(text, lease.path, model)
      // Marks the entry as used; in a read-only cache there is nothing to evict, so failing is fine.
      await utimes(manifest, new Date(), new Date()).catch(() => {})
      return leased(plan, lease)
    } catch (error) {
      await lease?.[Symbol.asyncDispose]()
      // Gone, or going: another process may be removing it at this moment.
      if (!(await stat(manifest).catch(ifMissing))) return undefined
      return this.reject(key, messageOf(error))
    }
  }

  /** Removes an entry that cannot be used. @throws ConfigError CONFIG_INVALID when the cache cannot be written. */
  async reject(key: string, reason: string): Promise<undefined> {
    this.#onRejected({ key, reason })
    await writingTo(this.#storage, async () => {
      await mkdir(this.#work, { recursive: true })
      await this.#remove(key)
    })
  }

  /**
   * Calls `compile` with an empty folder for its files and stores the plan that it returns. Where another process was
   * faster, its plan is returned.
   * @throws ConfigError CONFIG_INVALID when the cache cannot be written or its disk is full; whatever `compile` throws.
   */
  async put(key: string, model: ModelSource, compile: (workFolder: string) => Promise<Plan>): Promise<LeasedPlan> {
    const build = await writingTo(this.#storage, () => createWorkFolder(this.#work, 'build'))
    try {
      const plan = await compilingIn(this.#storage, build.path, () => compile(build.path))
      return await writingTo(this.#storage, () => this.#store(key, model, plan, build.path))
    } catch (error) {
      // Where somebody cleared the cache meanwhile, a compiler blames the model.
      await writingTo(this.#storage, () => access(build.path))
      throw error
    } finally {
      await writingTo(this.#storage, () => build[Symbol.asyncDispose]())
    }
  }

  get #work(): string {
    return join(this.folder, 'work')
  }

  #entry(key: string): string {
    return join(this.folder, 'plans', key)
  }

  async #store(key: string, model: ModelSource, plan: Plan, build: string): Promise<LeasedPlan> {
    const staged = join(build, 'entry')
    await stageEntry(plan, staged, build, model)
    // Held before it appears: from then on any process may evict it.
    const own = leased(plan, await this.#lease(key, staged))
    let stored = own
    try {
      const other = await this.#publish(staged, key, model)
      if (other) {
        stored = other
        await own[Symbol.asyncDispose]()
      }
      await this.#evict(key)
      return stored
    } catch (error) {
      await stored[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Takes hold of the payload in `folder`, which is the entry of `key` or becomes it. */
  async #lease(key: string, folder: string): Promise<Lease> {
    let own: WorkFolder | undefined
    try {
      own = await createWorkFolder(this.#work, 'lease')
      const path = join(own.path, payloadFileName)
      await link(join(folder, payloadFileName), path)
      return { path, [Symbol.asyncDispose]: own[Symbol.asyncDispose] }
    } catch (error) {
      await own?.[Symbol.asyncDispose]()
      if (isMissing(error)) throw error
      // No link is to be had here; the class says what this means.
      return { path: join(this.#entry(key), payloadFileName), [Symbol.asyncDispose]: async () => {} }
    }
  }

  /** The plan of another process, where that was faster and left one that can be used. */
  async #publish(staged: string, key: string, model: ModelSource): Promise<LeasedPlan | undefined> {
    for (let attempt = 0; ; attempt++) {
      try {
        await mkdir(join(this.folder, 'plans'), { recursive: true })
        await rename(staged, this.#entry(key))
        return undefined
      } catch (error) {
        // Missing: the cache was cleared meanwhile, or a file stands where the entry's folder belongs.
        if (attempt === 3 || !(isOccupied(error) || isMissing(error))) throw error
        const other = await this.get(key, model)
        if (other) return other
        await this.#remove(key)
      }
    }
  }

  /** Moves the entry aside first, so that no other process sees half of it. */
  async #remove(key: string): Promise<void> {
    const aside = join(this.#work, workFolderName('removed'))
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
    await sweepWorkFolders(this.#work, ['build', 'removed', 'lease'])
    await removeOlderThan(join(this.folder, 'models'), FORGOTTEN_AFTER_MS)
  }

  /** SHA-256 of a file, remembered by its path, size and modification time. */
  async #fileSha256(path: string): Promise<string> {
    const stamp = await stampOf(path)
    const remembered = join(this.folder, 'models', hashOf(path))
    const known = hashSchema.safeParse(await readJson(remembered))
    if (known.success && sameStamp(known.data, stamp)) return known.data.sha256
    const sha256 = await sha256Of({ kind: 'file', path })
    if (!(await isUnchanged(stamp))) return sha256
    // A memory that cannot be written costs time at the next load and nothing else: the cache may be read-only.
    await writeAtomically(remembered, JSON.stringify({ ...stamp, sha256 })).catch(() => {})
    return sha256
  }
}

const hashSchema = z.extend(stampSchema, { sha256: z.string() })

interface Lease {
  /** Of the payload. */
  readonly path: string
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

function leased(plan: Plan, { path, [Symbol.asyncDispose]: dispose }: Lease): LeasedPlan {
  return { ...plan, payload: { kind: 'file', path }, [Symbol.asyncDispose]: dispose }
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
