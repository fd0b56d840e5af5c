import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nms } from './nms.ts'

interface Item {
  box: [number, number, number, number]
  score: number
  classIndex: number
}

const run = (items: Item[], options = {}) =>
  nms(
    Float32Array.from(items.flatMap(({ box }) => box)),
    Float32Array.from(items.map(({ score }) => score)),
    items.map(({ classIndex }) => classIndex),
    options,
  )

/** Overlap counted cell by cell, for boxes on a small integer grid. */
function overlap(a: Item, b: Item): number {
  let both = 0
  let either = 0
  const inside = ({ box: [x1, y1, x2, y2] }: Item, x: number, y: number) => x >= x1 && x < x2 && y >= y1 && y < y2
  for (let y = 0; y < 12; y++) {
    for (let x = 0; x < 12; x++) {
      if (inside(a, x, y) && inside(b, x, y)) both++
      if (inside(a, x, y) || inside(b, x, y)) either++
    }
  }
  return either === 0 ? 0 : both / either
}

/** The definition, by repeated search for the best box that is left. */
function byDefinition(items: Item[], iouThreshold: number, scoreThreshold: number, agnostic: boolean): number[] {
  let left = items.map((_, i) => i).filter((i) => items[i]!.score >= scoreThreshold)
  const kept: number[] = []
  while (left.length > 0) {
    const best = left.reduce((a, b) => (items[b]!.score > items[a]!.score ? b : a))
    kept.push(best)
    left = left.filter(
      (i) =>
        i !== best &&
        !(
          (agnostic || items[i]!.classIndex === items[best]!.classIndex) &&
          overlap(items[i]!, items[best]!) > iouThreshold
        ),
    )
  }
  return kept
}

describe('nms', () => {
  const coordinate = fc.integer({ min: 0, max: 11 })
  const item: fc.Arbitrary<Item> = fc.record({
    box: fc.tuple(coordinate, coordinate, coordinate, coordinate),
    score: fc.integer({ min: 0, max: 8 }).map((eighths) => eighths / 8),
    classIndex: fc.integer({ min: 0, max: 2 }),
  })

  it('keeps what the definition keeps, in its order', () => {
    const threshold = fc.constantFrom(0, 0.25, 0.45, 0.7, 1)
    fc.assert(
      fc.property(
        fc.array(item, { maxLength: 25 }),
        threshold,
        threshold,
        fc.boolean(),
        (items, iou, score, agnostic) => {
          const options = { iouThreshold: iou, scoreThreshold: score, classAgnostic: agnostic }
          expect(run(items, options)).toEqual(byDefinition(items, iou, score, agnostic))
        },
      ),
    )
  })

  it('stops at the most detections', () => {
    const items: Item[] = [0, 2, 4, 6].map((x) => ({ box: [x, 0, x + 1, 1], score: x / 8, classIndex: 0 }))
    expect(run(items, { maxDetections: 2 })).toEqual([3, 2])
  })

  it('drops NaN and infinity instead of letting them suppress others', () => {
    const good: Item = { box: [0, 0, 4, 4], score: 0.5, classIndex: 0 }
    const { NaN: nan, POSITIVE_INFINITY: infinity } = Number
    const bad: Item[] = [
      { ...good, score: nan },
      { ...good, score: infinity },
      { ...good, box: [nan, 0, 4, 4] },
      { ...good, box: [0, 0, 4, infinity] },
      { ...good, box: [-infinity, 0, infinity, 4] },
    ]
    expect(run([...bad, good])).toEqual([5])
  })

  it('takes nothing', () => {
    expect(run([])).toEqual([])
  })

  it('refuses lengths that do not agree, and thresholds outside 0..1', () => {
    expect(() => nms(new Float32Array(4), new Float32Array(2), [0, 0])).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
    for (const options of [{ iouThreshold: 1.5 }, { scoreThreshold: Number.NaN }, { maxDetections: 0 }]) {
      expect(() => run([], options)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
    }
  })
})
