import { expect, it } from 'vitest'
import { Histogram } from '../observe/histogram.ts'
import { similarRanges } from './similar-ranges.ts'
import { CalibrationTable } from './table.ts'

/** Values spread evenly between the bounds. */
function spread(low: number, high: number): Histogram {
  const histogram = new Histogram()
  histogram.add(Float32Array.from({ length: 1000 }, (_, i) => low + ((high - low) * i) / 999))
  return histogram
}

const histograms = new Map([
  ['wide', spread(-1, 3)],
  ['shifted', spread(0, 3)],
  ['narrow', spread(0, 2.7)],
])
const isSimilar = similarRanges(new CalibrationTable(1, histograms), { dtype: 'uint8', symmetric: false })

it('lets values share a scale that costs the narrower one less than half a bit', () => {
  expect(isSimilar('wide', 'wide')).toBe(true)
  expect(isSimilar('shifted', 'wide')).toBe(true)
  expect(isSimilar('narrow', 'wide')).toBe(false)
  expect(isSimilar('narrow', 'shifted')).toBe(true)
})

it('knows nothing of values that were not observed', () => {
  expect(isSimilar('other', 'wide')).toBe(false)
  expect(isSimilar('wide', 'other')).toBe(false)
})
