/** Where an item stands in the queue, for leaving it from the middle. */
export interface Place<T> {
  readonly item: T
  readonly lane: Lane<T>
  before: Place<T> | undefined
  after: Place<T> | undefined
}

/** What waits with one priority, as a linked list. */
interface Lane<T> {
  readonly priority: number
  first: Place<T> | undefined
  last: Place<T> | undefined
}

/**
 * Items by priority, the highest first, then first come first served. However long the queue is, coming, going and
 * leaving from the middle take as long as finding one among the priorities in use.
 */
export class PriorityQueue<T> implements Iterable<T> {
  readonly #lanes: Lane<T>[] = [] // ascending, none empty: the next item is at the end
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Behind everything of the same or a higher priority. */
  push(item: T, priority: number): Place<T> {
    const lane = this.#lane(priority)
    const place: Place<T> = { item, lane, before: lane.last, after: undefined }
    if (lane.last) lane.last.after = place
    else lane.first = place
    lane.last = place
    this.#length++
    return place
  }

  /** Before everything of the same priority. */
  unshift(item: T, priority: number): Place<T> {
    const lane = this.#lane(priority)
    const place: Place<T> = { item, lane, before: undefined, after: lane.first }
    if (lane.first) lane.first.before = place
    else lane.last = place
    lane.first = place
    this.#length++
    return place
  }

  /** Takes the first item out. */
  shift(): T | undefined {
    const place = this.next()
    if (place) this.remove(place)
    return place?.item
  }

  /** Takes an item out that is still in the queue. */
  remove({ lane, before, after }: Place<T>): void {
    if (before) before.after = after
    else lane.first = after
    if (after) after.before = before
    else lane.last = before
    if (!lane.first) this.#lanes.splice(this.#indexOf(lane.priority), 1)
    this.#length--
  }

  /** The place behind this one, or the first. */
  next(place?: Place<T>): Place<T> | undefined {
    if (!place) return this.#lanes.at(-1)?.first
    return place.after ?? this.#lanes[this.#indexOf(place.lane.priority) - 1]?.first
  }

  /** In the order in which they are served. The queue must not change meanwhile. */
  *[Symbol.iterator](): Generator<T, undefined> {
    for (let place = this.next(); place; place = this.next(place)) yield place.item
  }

  #lane(priority: number): Lane<T> {
    const index = this.#indexOf(priority)
    const found = this.#lanes[index]
    if (found?.priority === priority) return found
    const lane: Lane<T> = { priority, first: undefined, last: undefined }
    this.#lanes.splice(index, 0, lane)
    return lane
  }

  /** Of the first lane whose priority is not lower. */
  #indexOf(priority: number): number {
    let low = 0
    let high = this.#lanes.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#lanes[middle]!.priority < priority) low = middle + 1
      else high = middle
    }
    return low
  }
}
