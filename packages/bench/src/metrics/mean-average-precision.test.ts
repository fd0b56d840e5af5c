import { describe, expect, it } from 'vitest'
import { type DetectedPicture, intersectionOverUnion, meanAveragePrecision } from './mean-average-precision.ts'

const square = (x: number, y: number, side = 10) => ({ x1: x, y1: y, x2: x + side, y2: y + side })
const truth = (x: number, classIndex = 0) => ({ classIndex, box: square(x, 0) })
/** A box of the object at x that is moved so far: the overlap is (10 - shift) / (10 + shift). */
const found = (x: number, score: number, { shift = 0, classIndex = 0 } = {}) => ({
  classIndex,
  score,
  box: square(x, shift),
})
const picture = (truths: DetectedPicture['truths'], detections: DetectedPicture['detections']) => ({
  truths,
  detections,
})

describe('meanAveragePrecision', () => {
  it('is 1 where everything is found exactly, and 0 where nothing is', () => {
    const truths = [truth(0), truth(20, 3)]
    expect(meanAveragePrecision([picture(truths, [found(0, 0.9), found(20, 0.4, { classIndex: 3 })])])).toEqual({
      map: 1,
      map50: 1,
    })
    expect(meanAveragePrecision([picture(truths, [])])).toEqual({ map: 0, map50: 0 })
    expect(meanAveragePrecision([picture(truths, [found(0, 0.9, { classIndex: 3 })])])).toEqual({ map: 0, map50: 0 })
  })

  it('asks for a larger overlap step by step', () => {
    // 9 / 11 = 0.818: enough for 0.5 to 0.8, seven of ten.
    const { map, map50 } = meanAveragePrecision([picture([truth(0)], [found(0, 0.9, { shift: 1 })])])
    expect(map50).toBe(1)
    expect(map).toBeCloseTo(0.7, 12)
  })

  it('averages the precision over 101 recalls', () => {
    // Right, wrong, right; three objects. Recall 1/3 at precision 1, 2/3 at 2/3: 34 recalls (0 to 0.33) see 1, 33
    // (0.34 to 0.66) see 2/3, and 34 are never reached.
    const truths = [truth(0), truth(20), truth(40)]
    const detections = [found(0, 0.9), found(60, 0.8), found(20, 0.7)]
    const { map, map50 } = meanAveragePrecision([picture(truths, detections)])
    expect(map50).toBeCloseTo((34 + 33 * (2 / 3)) / 101, 12)
    expect(map).toBeCloseTo(map50, 12)
  })

  it('lets no later rise of precision count less than it is', () => {
    // Wrong, right: precision 0, then 1/2. Every recall sees 1/2.
    expect(meanAveragePrecision([picture([truth(0)], [found(60, 0.9), found(0, 0.8)])]).map50).toBeCloseTo(0.5, 12)
  })

  it('counts an object once: what finds it again is wrong', () => {
    const detections = [found(0, 0.9), found(0, 0.8, { shift: 1 }), found(20, 0.7)]
    // Right, wrong, right of two: 51 recalls see 1, 50 see 2/3.
    const { map50 } = meanAveragePrecision([picture([truth(0), truth(20)], detections)])
    expect(map50).toBeCloseTo((51 + 50 * (2 / 3)) / 101, 12)
  })

  it('matches each detection with the free object that it overlaps most', () => {
    const near = [truth(0), { classIndex: 0, box: square(0, 2) }]
    const detections = [found(0, 0.9, { shift: 2 }), found(0, 0.8)]
    expect(meanAveragePrecision([picture(near, detections)]).map).toBe(1)
  })

  it('ranks the detections of all pictures together, and finds objects in their own picture alone', () => {
    const pictures = [picture([truth(0)], [found(0, 0.5)]), picture([], [found(0, 0.9)])]
    expect(meanAveragePrecision(pictures).map50).toBeCloseTo(0.5, 12)
    expect(meanAveragePrecision([...pictures].reverse()).map50).toBeCloseTo(0.5, 12)
  })

  it('averages over the classes that occur, however many objects they have', () => {
    const truths = [truth(0), truth(20), truth(40, 1)]
    const detections = [found(40, 0.9, { classIndex: 1 }), found(60, 0.9, { classIndex: 2 })]
    expect(meanAveragePrecision([picture(truths, detections)]).map50).toBe(0.5)
  })

  it('looks at the hundred best of a picture and class', () => {
    const wrong = Array.from({ length: 100 }, () => found(60, 0.9))
    expect(meanAveragePrecision([picture([truth(0)], [...wrong.slice(1), found(0, 0.8)])]).map50).toBeCloseTo(0.01, 12)
    expect(meanAveragePrecision([picture([truth(0)], [...wrong, found(0, 0.8)])]).map50).toBe(0)
  })

  it('refuses pictures without any object', () => {
    expect(() => meanAveragePrecision([picture([], [found(0, 0.9)])])).toThrow(/at least one object.*1 pictures/)
  })
})

describe('intersectionOverUnion', () => {
  it.each([
    [square(0, 0), square(0, 0), 1],
    [square(0, 0), square(5, 0), 1 / 3],
    [square(0, 0), square(10, 0), 0],
    [square(0, 0), square(2, 2, 5), 0.25],
    [square(0, 0, 0), square(0, 0, 0), 0],
  ])('%o, %o: %f', (a, b, expected) => {
    expect(intersectionOverUnion(a, b)).toBeCloseTo(expected, 12)
  })
})
