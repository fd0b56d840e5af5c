import { type Feeds, InputError, Tensor } from '@lowlat/core'
import type { Graph } from '@lowlat/onnx'
import { rowCounter } from './rows.ts'

/** One request of the model; a single tensor for models with one input. */
export type Sample = Feeds | Tensor

export type Samples = Iterable<Sample> | AsyncIterable<Sample>

/** Samples that are looked at more than once are kept up to these bounds; the rest is only calibrated with. */
const MOST_KEPT_ROWS = 128
const MOST_KEPT_BYTES = 256 * 2 ** 20

/**
 * Reads samples once, and keeps the first ones for the measurements that follow calibration: as many as have no more rows
 * together than asked for, however they are batched, and one at least unless none are. Kept are the tensors themselves,
 * not copies.
 */
export class SampleReader {
  readonly kept: Feeds[] = []
  readonly #samples: Samples
  readonly #input: string | undefined
  /** Number of rows in a sample. */
  readonly rowsOf: (feeds: Feeds) => number
  readonly #mostKept: number
  #keptBytes = 0
  #keptRows = 0
  #read = 0

  /** @throws InputError INVALID_ARGUMENT for what cannot be iterated over. */
  constructor(samples: Samples, graph: Graph, mostKept = MOST_KEPT_ROWS) {
    if (typeof samples !== 'object' || samples === null || !isIterable(samples)) {
      throw new InputError('INVALID_ARGUMENT', {
        message: `Expected the samples as an array, an iterable or an async iterable, got ${samples === null ? 'null' : typeof samples}.`,
        remedy: 'Pass for example an async generator that decodes one picture after the other.',
      })
    }
    const [input, ...others] = graph.requiredInputs
    this.#samples = samples
    this.rowsOf = rowCounter(graph)
    this.#mostKept = mostKept
    this.#input = others.length === 0 ? input?.name : undefined
  }

  /** Whether nothing that was read so far is missing among what is kept. */
  get keptAll(): boolean {
    return this.kept.length === this.#read
  }

  async *read(): AsyncGenerator<Feeds> {
    for await (const sample of this.#samples) {
      const feeds = this.#feedsOf(sample, this.#read)
      if (this.keptAll) this.#keep(feeds)
      this.#read++
      yield feeds
    }
  }

  /** Reads no more than what is kept. */
  async keep(): Promise<void> {
    for await (const _ of this.read()) if (!this.keptAll) return
  }

  #keep(feeds: Feeds): void {
    const sizeBytes = Object.values(feeds).reduce((sum, tensor) => sum + tensor.byteLength, 0)
    const rows = this.rowsOf(feeds)
    const fits = this.#keptBytes + sizeBytes <= MOST_KEPT_BYTES && this.#keptRows + rows <= this.#mostKept
    if (this.#mostKept === 0 || (!fits && this.kept.length > 0)) return
    this.kept.push(feeds)
    this.#keptBytes += sizeBytes
    this.#keptRows += rows
  }

  #feedsOf(sample: Sample, index: number): Feeds {
    if (sample instanceof Tensor) {
      if (this.#input !== undefined) return { [this.#input]: sample }
      throw invalidSample(index, 'one tensor for a model with several inputs')
    }
    if (typeof sample !== 'object' || sample === null) throw invalidSample(index, String(sample))
    for (const tensor of Object.values(sample))
      if (!(tensor instanceof Tensor)) throw invalidSample(index, 'no tensors')
    return sample
  }
}

function isIterable(samples: object): boolean {
  return Symbol.iterator in samples || Symbol.asyncIterator in samples
}

function invalidSample(index: number, received: string): InputError {
  return new InputError('INVALID_ARGUMENT', {
    message: `Expected sample ${index} as tensors by input name, got ${received}.`,
    remedy: 'Pass what session.run takes, or a single tensor where the model has one input.',
    details: { sample: index },
  })
}
