import { InputError, ModelError, messageOf } from '@lowlat/core'
import * as z from 'zod/mini'
import { BINS_PER_SIDE, Histogram, type HistogramData } from '../observe/histogram.ts'

const VERSION = 1

const count = z.number().check(z.minimum(0))
const tableSchema = z.strictObject({
  format: z.literal('lowlat-calibration'),
  version: z.literal(VERSION),
  samples: count,
  values: z.record(
    z.string(),
    z.strictObject({
      min: z.number(),
      max: z.number(),
      exponent: z.int(),
      /** Index of the first bin that is not empty, and the counts from there to the last one. */
      first: z.int().check(z.minimum(0), z.maximum(2 * BINS_PER_SIDE - 1)),
      counts: z.array(count).check(z.maxLength(2 * BINS_PER_SIDE)),
    }),
  ),
})

/**
 * What calibration saw, by value of the prepared model: one table serves every target and calibrator. JSON.stringify
 * writes it, {@link CalibrationTable.fromJson} reads it back.
 */
export class CalibrationTable {
  readonly samples: number
  readonly histograms: ReadonlyMap<string, HistogramData>

  constructor(samples: number, histograms: ReadonlyMap<string, HistogramData>) {
    this.samples = samples
    this.histograms = histograms
  }

  /** @throws ModelError MODEL_INVALID when `text` is not such a table. */
  static fromJson(text: string): CalibrationTable {
    let content: unknown
    try {
      content = JSON.parse(text)
    } catch (cause) {
      throw invalidTable(messageOf(cause), cause)
    }
    const parsed = tableSchema.safeParse(content)
    if (!parsed.success) {
      const [problem] = parsed.error.issues
      throw invalidTable(`${problem?.path.join('.')}: ${problem?.message}`, parsed.error)
    }
    const histograms = Object.entries(parsed.data.values).map(([name, { first, counts, ...facts }]) => {
      if (first + counts.length > 2 * BINS_PER_SIDE) throw invalidTable(`values.${name}: more counts than bins`)
      const all = new Float64Array(2 * BINS_PER_SIDE)
      all.set(counts, first)
      return [name, { ...facts, counts: all }] as const
    })
    return new CalibrationTable(parsed.data.samples, new Map(histograms))
  }

  toJSON(): z.infer<typeof tableSchema> {
    const values = [...this.histograms].map(([name, { min, max, exponent, counts }]) => {
      const first = Math.max(
        0,
        counts.findIndex((value) => value > 0),
      )
      const filled = counts.subarray(first, counts.findLastIndex((value) => value > 0) + 1)
      return [name, { min, max, exponent, first, counts: [...filled] }] satisfies [string, unknown]
    })
    return {
      format: 'lowlat-calibration',
      version: VERSION,
      samples: this.samples,
      values: Object.fromEntries(values),
    }
  }

  /** Both tables as one: samples that were calibrated in parts. */
  merge(other: CalibrationTable): CalibrationTable {
    const merged = new Map<string, HistogramData>(this.histograms)
    for (const [name, histogram] of other.histograms) {
      const own = merged.get(name)
      merged.set(name, own ? mergedHistogram([own, histogram]) : histogram)
    }
    return new CalibrationTable(this.samples + other.samples, merged)
  }

  /**
   * The distribution of several values that share one scale.
   * @throws InputError INVALID_ARGUMENT when one of them was not calibrated.
   */
  histogramOf(values: readonly string[]): HistogramData {
    return mergedHistogram(
      values.map((value) => {
        const histogram = this.histograms.get(value)
        if (histogram) return histogram
        throw new InputError('INVALID_ARGUMENT', {
          message: `Expected '${value}' in the calibration table, which has ${this.histograms.size} other values.`,
          remedy: 'Calibrate again: the table belongs to another model or to an older version of it.',
          received: value,
        })
      }),
    )
  }
}

function mergedHistogram(histograms: readonly HistogramData[]): HistogramData {
  const [only, ...others] = histograms
  if (only && others.length === 0) return only
  const merged = new Histogram()
  for (const histogram of histograms) merged.merge(histogram)
  return merged
}

function invalidTable(reason: string, cause?: unknown): ModelError {
  return new ModelError('MODEL_INVALID', {
    message: `Expected a calibration table as JSON, but it cannot be read: ${reason}.`,
    remedy: 'Write tables with JSON.stringify(table), and calibrate again where the version differs.',
    cause,
  })
}
