/** How many combinations of shapes are counted at least; those that ran longest ago are forgotten first. */
const LEAST_COUNTED = 256

/** And for each graph that is kept: a shape has to be remembered for longer than it takes all others to have their turn. */
const COUNTED_PER_GRAPH = 2

/** After so many runs for each graph that is kept all counts are halved: what was frequent once gives way. */
const RUNS_PER_GRAPH = 32

/**
 * Which combinations of shapes are worth a graph, which takes an execution context and a capture: milliseconds and more
 * with TensorRT, against microseconds that a launch saves. While there is room, all that come again; then only those that
 * came more often lately than the one that has to go. Otherwise more shapes than graphs, one after another, would capture
 * each time what is thrown away before it is used (admission by frequency: TinyLFU, Einziger and others 2017).
 */
export class CapturePolicy {
  readonly #halvingRuns: number
  readonly #maxCounted: number
  /** Runs lately, by graph key, least recently run first. */
  readonly #counts = new Map<string, number>()
  #runs = 0

  constructor(maxGraphs: number) {
    this.#halvingRuns = maxGraphs * RUNS_PER_GRAPH
    this.#maxCounted = Math.max(LEAST_COUNTED, maxGraphs * COUNTED_PER_GRAPH)
  }

  /** For every run, also those of graphs. */
  count(key: string): void {
    const count = this.#countOf(key) + 1
    this.#counts.delete(key)
    this.#counts.set(key, count)
    const [oldest] = this.#counts.keys()
    if (this.#counts.size > this.#maxCounted) this.#counts.delete(oldest!)
    if (++this.#runs < this.#halvingRuns) return
    this.#runs = 0
    for (const [counted, runs] of this.#counts) this.#counts.set(counted, runs / 2)
  }

  /**
   * Of a run that was counted.
   * @param isExpected whether the shapes will come again in any case.
   * @param displaced the key of the graph that would go; undefined while there is room.
   */
  isWorthCapturing(key: string, isExpected: boolean, displaced: string | undefined): boolean {
    // By more than one: where shapes come in turn, this one has run in this round and the other is about to.
    if (displaced !== undefined) return this.#countOf(key) > this.#countOf(displaced) + 1
    return isExpected || this.#countOf(key) > 1
  }

  #countOf(key: string): number {
    return this.#counts.get(key) ?? 0
  }
}
