import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Place, PriorityQueue } from './priority-queue.ts'

interface Item {
  readonly id: number
  readonly priority: number
}

/** A list in the same order, by its definition. */
class SortedList {
  readonly items: Item[] = []

  push(item: Item): void {
    this.items.splice(this.items.findLastIndex(({ priority }) => priority >= item.priority) + 1, 0, item)
  }

  unshift(item: Item): void {
    this.items.splice(this.items.findLastIndex(({ priority }) => priority > item.priority) + 1, 0, item)
  }
}

describe('the priority queue', () => {
  it('gives items by priority, then in their order', () => {
    const queue = new PriorityQueue<string>()
    for (const [item, priority] of [
      ['a', 0],
      ['low', -1],
      ['high', 5],
      ['b', 0],
    ] as const)
      queue.push(item, priority)
    queue.unshift('first of 0', 0)
    expect([...queue]).toEqual(['high', 'first of 0', 'a', 'b', 'low'])
    expect([queue.shift(), queue.shift(), queue.length]).toEqual(['high', 'first of 0', 3])
  })

  it('is empty', () => {
    const queue = new PriorityQueue<number>()
    expect([queue.shift(), queue.next(), queue.length, [...queue]]).toEqual([undefined, undefined, 0, []])
  })

  it('keeps the order of a sorted list, whatever comes, goes and leaves from the middle', () => {
    const priority = fc.constantFrom(-1.5, 0, -0, 1, 7)
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom('push' as const, 'unshift' as const), priority }),
      fc.record({ kind: fc.constant('shift' as const) }),
      fc.record({ kind: fc.constant('remove' as const), pick: fc.nat() }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const queue = new PriorityQueue<Item>()
        const list = new SortedList()
        const places = new Map<Item, Place<Item>>()
        for (const [id, step] of steps.entries()) {
          if (step.kind === 'shift') expect(queue.shift()).toBe(list.items.shift())
          else if (step.kind === 'remove') {
            const [item] = list.items.splice(step.pick % (list.items.length || 1), 1)
            if (item) queue.remove(places.get(item)!)
          } else {
            const item = { id, priority: step.priority }
            places.set(item, queue[step.kind](item, item.priority))
            list[step.kind](item)
          }
          expect([...queue]).toEqual(list.items)
          expect(queue.length).toBe(list.items.length)
        }
      }),
    )
  })
})
