import { topKIndices } from '@lowlat/postprocess'
import type { Accuracy } from './task.ts'

const BEST = 5

/** Counts how often models are right, and how often they say the same as the first of them. */
export class Tally {
  readonly #counts: { first: number; best: number; agreeing: number }[]
  #pictures = 0

  constructor(models: number) {
    this.#counts = Array.from({ length: models }, () => ({ first: 0, best: 0, agreeing: 0 }))
  }

  /** The scores of one picture, one list of classes per model. */
  add(scores: readonly ArrayLike<number>[], label: number): void {
    this.#pictures++
    const [reference] = topKIndices(scores[0]!, 1)
    for (const [model, counts] of this.#counts.entries()) {
      const best = topKIndices(scores[model]!, BEST)
      if (best[0] === label) counts.first++
      if (best.includes(label)) counts.best++
      if (best[0] === reference) counts.agreeing++
    }
  }

  get pictures(): number {
    return this.#pictures
  }

  /** In percent, in the order of the models; `drop` is against the first. */
  get accuracies(): Accuracy[] {
    const percent = (count: number) => (100 * count) / this.#pictures
    const reference = percent(this.#counts[0]!.first)
    return this.#counts.map(({ first, best, agreeing }) => ({
      top1: percent(first),
      top5: percent(best),
      drop: reference - percent(first),
      agreement: percent(agreeing),
    }))
  }
}
