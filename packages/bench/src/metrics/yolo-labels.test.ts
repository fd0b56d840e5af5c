import { describe, expect, it } from 'vitest'
import { truthsFromYolo } from './yolo-labels.ts'

const size = { width: 200, height: 100 }

describe('truthsFromYolo', () => {
  it('reads objects in pixels, one per line', () => {
    expect(truthsFromYolo('3 0.5 0.5 0.5 1\n\n0 0.25 0.25 0.5 0.5\r\n', size)).toEqual([
      { classIndex: 3, box: { x1: 50, y1: 0, x2: 150, y2: 100 } },
      { classIndex: 0, box: { x1: 0, y1: 0, x2: 100, y2: 50 } },
    ])
    expect(truthsFromYolo('', size)).toEqual([])
  })

  it.each(['1 0.5 0.5 0.5', '1 0.5 0.5 0.5 0.5 0.5', '1.5 0 0 0 0', '-1 0 0 0 0', 'cat 0 0 0 0', '0 0.5 0.5 50 0.5'])(
    'refuses %j',
    (line) => {
      expect(() => truthsFromYolo(`0 0 0 0 0\n${line}`, size)).toThrow(/line 2 .*YOLO/s)
    },
  )
})
