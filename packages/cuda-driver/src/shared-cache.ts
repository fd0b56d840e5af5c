import { disposeAll } from '@lowlat/core'

/** A value that somebody uses; the cache keeps it at least until `release`. */
export interface Lease<V> {
  readonly value: V
  release(): Promise<void>
}

interface Entry<V> {
  readonly value: Promise<V>
  users: number
}

/**
 * Values that several users share, made once per key. What nobody uses stays for later, the least recently used of it up
 * to a bound.
 */
export class SharedCache<V extends AsyncDisposable> implements AsyncDisposable {
  readonly #maxIdle: number
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry<V>>()

  constructor(maxIdle: number) {
    this.#maxIdle = maxIdle
  }

  /** @throws whatever `make` rejects with; nothing is kept then. */
  async acquire(key: string, make: () => Promise<V> | V): Promise<Lease<V>> {
    let entry = this.#entries.get(key)
    if (!entry) {
      entry = { value: (async () => make())(), users: 0 }
      this.#entries.set(key, entry)
    }
    const own = entry
    own.users++
    let value: V
    try {
      value = await own.value
    } catch (error) {
      if (this.#entries.get(key) === own) this.#entries.delete(key)
      throw error
    }
    let released = false
    return {
      value,
      release: async () => {
        if (released) return
        released = true
        own.users--
        if (this.#entries.get(key) === own) {
          this.#entries.delete(key)
          this.#entries.set(key, own)
        }
        await this.#evict()
      },
    }
  }

  async #evict(): Promise<void> {
    const idle = [...this.#entries].filter(([, { users }]) => users === 0)
    const surplus = idle.slice(0, Math.max(0, idle.length - this.#maxIdle))
    for (const [key] of surplus) this.#entries.delete(key)
    await disposeAll(await Promise.all(surplus.map(([, { value }]) => value)))
  }

  /** Disposes everything; nobody may use any of it any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    // What cannot be made is its user's to report.
    const made = await Promise.allSettled(entries.map(({ value }) => value))
    await disposeAll(made.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])))
  }
}
