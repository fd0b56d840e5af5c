import { disposeAll, type Shape } from '@lowlat/core'

/** Says which graph serves a run: its input shapes in the model's order, and the outputs where not all are wanted. */
export function graphKey(inputShapes: readonly Shape[], outputs?: readonly string[]): string {
  const shapes = inputShapes.map((shape) => shape.join('x')).join(';')
  return outputs ? `${shapes}>${JSON.stringify([...outputs].sort())}` : shapes
}

/**
 * What an execution context has captured, by {@link graphKey}: a bounded number, of which the least recently used goes
 * for the next. For one user, who awaits each call before the next.
 */
export class GraphCache<G extends AsyncDisposable> implements AsyncDisposable {
  readonly #maxGraphs: number
  /** Least recently used first. */
  readonly #graphs = new Map<string, G>()

  constructor(maxGraphs: number) {
    this.#maxGraphs = maxGraphs
  }

  get size(): number {
    return this.#graphs.size
  }

  /** The key of what goes for the next one; undefined while there is room. */
  get displaced(): string | undefined {
    if (this.#graphs.size < this.#maxGraphs) return undefined
    const [oldest] = this.#graphs.keys()
    return oldest
  }

  /** What was captured for this key; it counts as used now. */
  get(key: string): G | undefined {
    const graph = this.#graphs.get(key)
    if (graph) {
      this.#graphs.delete(key)
      this.#graphs.set(key, graph)
    }
    return graph
  }

  /**
   * Captures what is not there, after making room for it.
   * @param capture may `clear` the cache, for memory that it replaces.
   * @throws (as rejection) whatever `capture` throws; BackendError where the driver refuses to free the old.
   */
  async add(key: string, capture: () => G | Promise<G>): Promise<G> {
    await this.#shrinkTo(this.#maxGraphs - 1)
    const graph = await capture()
    this.#graphs.set(key, graph)
    return graph
  }

  /** Disposes all. */
  clear(): Promise<void> {
    return this.#shrinkTo(0)
  }

  async #shrinkTo(size: number): Promise<void> {
    const surplus = [...this.#graphs].slice(0, Math.max(0, this.#graphs.size - size))
    for (const [key] of surplus) this.#graphs.delete(key)
    await disposeAll(surplus.map(([, graph]) => graph))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.clear()
  }
}
