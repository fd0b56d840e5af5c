import type { Fetches, Tensor } from '@lowlat/core'

/** How far a model's outputs are from those of the float model, over all samples that were added. */
export interface OutputErrorReport {
  /** Mean over the outputs of: sum of squared differences / sum of squared values. What choices are made by. */
  readonly relativeError: number
  /** Signal to quantization noise in decibels: -10 log10(relativeError). */
  readonly sqnrDb: number
  /** Of all elements of all outputs; the worst output counts. */
  readonly cosine: number
  /** Share of the rows of a classifier's first output whose largest element is the same; undefined without such one. */
  readonly agreement: number | undefined
}

interface Sums {
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

  add(expected: Fetches, received: Fetches): void {
    let classified = false
    for (const [name, tensor] of Object.entries(expected)) {
      const reference = tensor.toFloat32()
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
    const relative = all.map(({ signal, noise }) => (noise === 0 ? 0 : noise / signal))
    const cosines = all.map(({ signal, product, other }) =>
      signal === 0 && other === 0 ? 1 : product / Math.sqrt(signal * other),
    )
    const relativeError = relative.reduce((a, b) => a + b, 0) / Math.max(1, all.length)
    return {
      relativeError,
      sqnrDb: -10 * Math.log10(relativeError),
      cosine: Math.min(1, ...cosines),
      agreement: this.#rows > 0 ? this.#equalRows / this.#rows : undefined,
    }
  }

  #addSums(name: string, reference: Float32Array, got: Float32Array): void {
    const sums = this.#sums.get(name) ?? { signal: 0, noise: 0, product: 0, other: 0 }
    this.#sums.set(name, sums)
    for (let i = 0; i < reference.length; i++) {
      const a = reference[i]!
      const b = got[i]!
      sums.signal += a * a
      sums.other += b * b
      sums.product += a * b
      sums.noise += (a - b) * (a - b)
    }
  }

  #addRows(size: number, reference: Float32Array, got: Float32Array): void {
    for (let start = 0; start < reference.length; start += size) {
      this.#rows++
      if (largest(reference, start, size) === largest(got, start, size)) this.#equalRows++
    }
  }
}

/** One score per class and row: [N, classes]. */
function isClassifier({ shape }: Tensor): boolean {
  return shape.length === 2 && shape[1]! > 1
}

function largest(values: Float32Array, start: number, size: number): number {
  let best = start
  for (let i = start + 1; i < start + size; i++) if (values[i]! > values[best]!) best = i
  return best
}
