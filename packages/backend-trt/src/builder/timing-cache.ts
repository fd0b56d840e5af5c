import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PlanCache } from '@lowlat/core'

const DIGEST_BYTES = 32

/** What measured times hold for. */
interface TimingFacts {
  readonly tensorRt: string
  readonly device: string
  readonly computeCapability: number
}

/**
 * The times that builds measured, in a file for each version and GPU. They save time and decide nothing else: what cannot
 * be read or is damaged is as good as none, and what cannot be written is measured again.
 */
export class TimingCacheFile {
  readonly path: string
  readonly #folder: string

  /** @param folder default: beside the plans in their cache. */
  constructor(facts: TimingFacts, folder: string = join(new PlanCache().folder, 'trt-timing')) {
    const { tensorRt, device, computeCapability } = facts
    const name = [tensorRt, device, `sm${computeCapability}`].map((part) => part.replace(/[^\w.-]+/g, '-')).join('_')
    this.#folder = folder
    this.path = join(folder, `${name}.timing`)
  }

  async read(): Promise<Uint8Array | undefined> {
    let file: Uint8Array
    try {
      file = await readFile(this.path)
    } catch {
      return undefined // none yet, or none that this process may read
    }
    const content = file.subarray(DIGEST_BYTES)
    return Buffer.compare(digestOf(content), file.subarray(0, DIGEST_BYTES)) === 0 ? content : undefined
  }

  /** Replaces the file as a whole, so that others see the old or the new one. @returns whether it could. */
  async write(content: Uint8Array): Promise<boolean> {
    const partial = `${this.path}.${randomUUID()}`
    try {
      await mkdir(this.#folder, { recursive: true })
      await writeFile(partial, Buffer.concat([digestOf(content), content]))
      await rename(partial, this.path)
      return true
    } catch {
      await rm(partial, { force: true }).catch(() => {})
      return false // a full or read-only disk: the next build measures again
    }
  }
}

const digestOf = (content: Uint8Array) => createHash('sha256').update(content).digest()
