import type { Fetches, Tensor } from '@lowlat/core'
import { type Rows, usedOf } from '../rows.ts'

/**
 * How far a model's outputs are from those of the float model, over all samples that were added. Compared are the elements
 * that are finite in the float model: masks of minus infinity say nothing. None of the numbers is ever NaN.
 */
export interface OutputErrorReport {
  /**
   * Mean over the outputs of: sum of squared differences / sum of squared values. What choices are made by. An output that
   * is zero throughout in the float model is related to the mean square of the others. Infinity where the model gives no
   * finite number for an element that has one, and where there is noise but no signal in any output.
   */
  readonly relativeError: number
  /** Signal to quantization noise in decibels: -10 log10(relativeError). */
  readonly sqnrDb: number
  /** Of all elements of all outputs; the worst output counts, and one that is not finite where it should be counts 0. */
  readonly cosine: number
  /** Share of the rows of a classifier's first output whose largest element is the same; undefined without such one. */
  readonly agreement: number | undefined
  /** Elements that were compared. With 0 the other numbers say nothing. */
  readonly elements: number
}

interface Sums {
  /** Elements that are finite in the float model. */
  count: number
  signal: number
  noise: number
  product: number
  other: number
}

/** Compares outputs sample by sample, in memory that does not depend on their number. */
export class OutputError {
  readonly #sums = new Map<string, Sums>()
  #rows = 0
  #equalRows = 0

  /** @param rows of the batch that are compared; all of them when absent. */
  add(expected: Fetches, received: Fetches, rows: Rows = { count: 1, used: 1 }): void {
    let classified = false
    for (const [name, tensor] of Object.entries(expected)) {
      const all = tensor.toFloat32()
      const reference = all.subarray(0, usedOf(all.length, rows))
      const got = received[name]!.toFloat32()
      this.#addSums(name, reference, got)
      if (!classified && isClassifier(tensor)) {
        classified = true
        this.#addRows(tensor.shape.at(-1)!, reference, got)
      }
    }
  }

  get report(): OutputErrorReport {
    const all = [...this.#sums.values()]
    const compared = all.filter(({ count }) => count > 0)
    const meanSquare = meanSquareOf(compared.filter(({ signal }) => signal > 0))
    const relative = compared.map(({ signal, noise, count }) =>
      noise === 0 ? 0 : noise / (signal > 0 ? signal : meanSquare * count),
    )
    const relativeError = relative.reduce((a, b) => a + b, 0) / Math.max(1, compared.length)
    return {
      relativeError,
      sqnrDb: -10 * Math.log10(relativeError),
      cosine: Math.min(1, ...compared.map((sums) => cosineOf(sums, meanSquare > 0))),
      agreement: this.#rows > 0 ? this.#equalRows / this.#rows : undefined,
      elements: compared.reduce((sum, { count }) => sum + count, 0),
    }
  }

  #addSums(name: string, reference: Float32Array, got: Float32Array): void {
    const sums = this.#sums.get(name) ?? { count: 0, signal: 0, noise: 0, product: 0, other: 0 }
    this.#sums.set(name, sums)
    for (let i = 0; i < reference.length; i++) {
      const a = reference[i]!
      const b = got[i]!
      if (!Number.isFinite(a)) continue
      sums.count++
      if (!Number.isFinite(b)) {
        sums.noise = Number.POSITIVE_INFINITY
        continue
      }
      sums.signal += a * a
      sums.other += b * b
      sums.product += a * b
      sums.noise += (a - b) * (a - b)
    }
  }

  #addRows(size: number, reference: Float32Array, got: Float32Array): void {
    for (let start = 0; start < reference.length; start += size) {
      const right = largest(reference, start, size)
      if (right === undefined) continue
      this.#rows++
      if (right === largest(got, start, size)) this.#equalRows++
    }
  }
}

/** One score per class and row: [N, classes]. */
function isClassifier({ shape }: Tensor): boolean {
  return shape.length === 2 && shape[1]! > 1
}

/** Of the numbers in a row; undefined where it has none. */
function largest(values: Float32Array, start: number, size: number): number | undefined {
  let best: number | undefined
  for (let i = start; i < start + size; i++) {
    const isMore = best === undefined ? !Number.isNaN(values[i]!) : values[i]! > values[best]!
    if (isMore) best = i
  }
  return best
}

/** Of each output alike; 0 without one. */
function meanSquareOf(sums: readonly Sums[]): number {
  return sums.reduce((sum, { signal, count }) => sum + signal / count, 0) / Math.max(1, sums.length)
}

/** An output of zeros has no direction: beside others it says nothing. */
function cosineOf({ signal, noise, product, other }: Sums, besideOthers: boolean): number {
  if (noise === Number.POSITIVE_INFINITY) return 0
  if (signal === 0) return other === 0 || besideOthers ? 1 : 0
  return other === 0 ? 0 : product / Math.sqrt(signal * other)
}
