import { type Place, PriorityQueue } from './priority-queue.ts'
import { isLate, type RequestBounds } from './request-options.ts'
import type { ServiceTime } from './service-time.ts'

interface Waiting {
  readonly bounds: RequestBounds
  readonly priority: number
  /** How long such work takes; undefined for what is not measured. */
  readonly serviceTime: ServiceTime | undefined
}

/** What waits for a context, highest priority first, and how long it will keep the contexts busy at the least. */
export class Backlog<W extends Waiting> {
  readonly #contexts: number
  readonly #queue = new PriorityQueue<W>()
  readonly #countOf = new Map<ServiceTime, number>()
  #forecast: Forecast<W> | undefined

  constructor(contexts: number) {
    this.#contexts = contexts
  }

  get length(): number {
    return this.#queue.length
  }

  push(waiting: W): Place<W> {
    // What comes behind those that were looked at changes nothing for them.
    if (this.#forecast && waiting.priority > this.#forecast.lowestPriority) this.#forecast = undefined
    this.#count(waiting, 1)
    return this.#queue.push(waiting, waiting.priority)
  }

  shift(): W | undefined {
    const place = this.#queue.next()
    if (place) this.remove(place)
    return place?.item
  }

  remove(place: Place<W>): void {
    this.#forecast = undefined
    this.#queue.remove(place)
    this.#count(place.item, -1)
  }

  /**
   * Whether a request of this priority has to wait longer than `limitUs`: how long at the least, and behind how many
   * others at the least; undefined when it may be its turn before. What runs is taken to end at once, and what waits ahead
   * to go to the context that is free first, for its least time. Only requests ahead that fail or are aborted leave room
   * for more.
   */
  waitBeyond(limitUs: number, priority: number, nowUs: number): { leastUs: number; ahead: number } | undefined {
    // The context that is free first is so no later than they are on average: mostly there is no need to look closer.
    if (this.#workUs(nowUs) / this.#contexts <= limitUs) return undefined
    // As long as it holds, it goes on from where it stopped: a burst looks at each that waits but once.
    let forecast = this.#forecast
    if (!forecast || nowUs >= forecast.holdsUntilUs || priority > forecast.lowestPriority) {
      forecast = new Forecast(this.#contexts, nowUs)
    }
    let next = this.#queue.next(forecast.last)
    while (forecast.leastUs <= limitUs && next && next.lane.priority >= priority) {
      forecast.add(next)
      next = this.#queue.next(next)
    }
    this.#forecast = forecast
    const { leastUs, ahead } = forecast
    return leastUs > limitUs ? { leastUs, ahead } : undefined
  }

  /** The least time of all that waits, in one context. */
  #workUs(nowUs: number): number {
    let sumUs = 0
    for (const [serviceTime, count] of this.#countOf) sumUs += count * serviceTime.leastUs(nowUs)
    return sumUs
  }

  #count({ serviceTime }: W, change: 1 | -1): void {
    if (!serviceTime) return
    const count = (this.#countOf.get(serviceTime) ?? 0) + change
    if (count > 0) this.#countOf.set(serviceTime, count)
    else this.#countOf.delete(serviceTime)
  }
}

/** When the contexts are free after the first so many that wait, at the earliest. */
class Forecast<W extends Waiting> {
  readonly #nowUs: number
  /** Per context, microseconds from now, whenever that is. */
  readonly #freeUs: Float64Array
  #first = 0
  ahead = 0
  last: Place<W> | undefined
  holdsUntilUs = Number.POSITIVE_INFINITY

  constructor(contexts: number, nowUs: number) {
    this.#nowUs = nowUs
    this.#freeUs = new Float64Array(contexts)
  }

  get leastUs(): number {
    return this.#freeUs[this.#first]!
  }

  get lowestPriority(): number {
    return this.last?.lane.priority ?? Number.POSITIVE_INFINITY
  }

  add(place: Place<W>): void {
    const { bounds, serviceTime } = place.item
    const startUs = this.leastUs
    this.last = place
    this.ahead++
    if (isLate(bounds, this.#nowUs + startUs)) return // it will not run
    if (bounds.deadlineUs !== undefined) this.holdsUntilUs = Math.min(this.holdsUntilUs, bounds.deadlineUs - startUs)
    const leastUs = serviceTime?.leastUs(this.#nowUs)
    if (!serviceTime || !leastUs) return
    this.holdsUntilUs = Math.min(this.holdsUntilUs, serviceTime.knownUntilUs)
    this.#freeUs[this.#first] = startUs + leastUs
    for (let other = 0; other < this.#freeUs.length; other++) {
      if (this.#freeUs[other]! < this.leastUs) this.#first = other
    }
  }
}
