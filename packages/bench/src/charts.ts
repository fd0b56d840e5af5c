import { bin, max, min } from 'd3-array'
import { scaleLinear, scaleLog } from 'd3-scale'
import { curveStepBefore, line } from 'd3-shape'
import { formatTime } from './format.ts'
import { escapeHtml } from './html-text.ts'
import { percentile } from './statistics.ts'

/** Latencies to draw, with the colour that stands for their subject everywhere in the report. */
export interface Series {
  readonly label: string
  /** A CSS colour. */
  readonly colour: string
  /** Peers are drawn dashed, so that colour is not the only difference. */
  readonly dashed: boolean
  /** Ascending. */
  readonly sortedUs: Float64Array
}

/** A logarithmic axis where the slowest takes this many times as long as the fastest. */
const LOG_FROM = 12
const CURVE_POINTS = 240
const BINS = 44

const round = (value: number) => Math.round(value * 10) / 10

/** Position on the axis of percentiles: each step of one is a tenth of the requests before it, as 90, 99, 99.9 %. */
const tailOf = (q: number) => -Math.log10(1 - q)
const percentiles = [0, 0.5, 0.9, 0.99, 0.999, 0.9999]

function timeScale(lowUs: number, highUs: number, range: readonly [number, number]) {
  // A row whose samples are all equal still needs an axis of some length.
  const low = Math.max(lowUs, 1e-3)
  const high = Math.max(highUs, low * 1.01)
  // Widening a logarithmic axis to whole powers of ten could leave most of it empty.
  return high / low > LOG_FROM ? scaleLog([low, high], range) : scaleLinear([low, high], range).nice()
}

type TimeScale = ReturnType<typeof timeScale>

/** Ticks with room for their labels: of a logarithmic axis only powers of ten, and 2 and 5 times them on short ones. */
function ticksOf(scale: TimeScale, count: number): number[] {
  const ticks = scale.ticks(count)
  const [low, high] = scale.domain() as [number, number]
  if (!('base' in scale)) return ticks
  const leading = high / low > 1000 ? [1] : high / low > 100 ? [1, 3] : [1, 2, 5]
  return ticks.filter((tick) => leading.includes(Math.round(tick / 10 ** Math.floor(Math.log10(tick) + 1e-9))))
}

function timeAxis(scale: TimeScale, top: number, bottom: number, count: number): string {
  return ticksOf(scale, count)
    .map((us) => {
      const x = round(scale(us))
      return `<line class="grid" x1="${x}" x2="${x}" y1="${top}" y2="${bottom}"/><text class="tick" x="${x}" y="${bottom + 16}" text-anchor="middle">${formatTick(us)}</text>`
    })
    .join('')
}

function formatTick(us: number): string {
  const [value, unit] = us < 1000 ? [us, 'µs'] : us < 1e6 ? [us / 1000, 'ms'] : [us / 1e6, 's']
  return `${Number(value.toPrecision(4))} ${unit}`
}

/**
 * The cumulative distribution of each series: the share of requests that took at most so long. The axis of shares is
 * stretched towards 100 %, so that the tail, which users feel, takes as much room as the rest.
 */
export function cdfChart(series: readonly Series[], title: string): string {
  const [width, height, left, right, top, bottom] = [640, 320, 58, 16, 14, 272]
  const mostSamples = max(series, ({ sortedUs }) => sortedUs.length) ?? 1
  const topTail = Math.max(1.3, Math.log10(mostSamples))
  const x = timeScale(min(series, (s) => s.sortedUs[0]!)!, max(series, (s) => s.sortedUs.at(-1)!)!, [
    left,
    width - right,
  ])
  const y = scaleLinear([0, topTail], [bottom, top])
  const rows = percentiles
    .filter((q) => tailOf(q) <= topTail + 1e-9)
    .map((q) => {
      const at = round(y(tailOf(q)))
      return `<line class="grid" x1="${left}" x2="${width - right}" y1="${at}" y2="${at}"/><text class="tick" x="${left - 8}" y="${at + 4}" text-anchor="end">${Number((q * 100).toFixed(2))} %</text>`
    })
  const path = line<{ us: number; tail: number }>(
    (point) => round(x(point.us)),
    (point) => round(y(point.tail)),
  ).curve(curveStepBefore)
  const curves = series.map((each) => {
    const { sortedUs, colour, dashed } = each
    // A curve ends where its samples do: 1 - 1 / n is the last share that a sample lies above.
    const endTail = Math.log10(sortedUs.length)
    const points = Array.from({ length: CURVE_POINTS + 1 }, (_, i) => {
      const tail = (endTail * i) / CURVE_POINTS
      const q = 1 - 10 ** -tail
      return { tail, us: q > 0 ? percentile(sortedUs, q) : sortedUs[0]! }
    })
    points.push({ tail: endTail, us: sortedUs.at(-1)! })
    const dots = [0.5, 0.9, 0.99, 0.999]
      .filter((q) => tailOf(q) <= endTail + 1e-9)
      .map((q) => {
        const us = percentile(sortedUs, q)
        const hint = `${each.label}: p${Number((q * 100).toFixed(1))} ${formatTime(us)}`
        return `<circle cx="${round(x(us))}" cy="${round(y(tailOf(q)))}" r="3.5" fill="${colour}"><title>${escapeHtml(hint)}</title></circle>`
      })
    const dash = dashed ? ' stroke-dasharray="6 4"' : ''
    return `<path class="curve" d="${path(points)}" stroke="${colour}"${dash}/>${dots.join('')}`
  })
  const summary = series.map(({ label, sortedUs }) => `${label}: ${describe(sortedUs)}`).join('; ')
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(`${title}. ${summary}`)}">
${timeAxis(x, top, bottom, 7)}${rows.join('')}
${curves.join('\n')}
<text class="axis" x="${(left + width - right) / 2}" y="${height - 8}" text-anchor="middle">latency</text>
</svg>`
}

/** How often each latency occurred in one series, on an axis that the group shares. */
export function histogramChart(series: Series, [lowUs, highUs]: readonly [number, number]): string {
  const [width, height, left, right, top, bottom] = [360, 132, 6, 6, 18, 104]
  const { sortedUs, colour, label } = series
  const x = timeScale(lowUs, highUs, [left, width - right])
  const [low, high] = x.domain() as [number, number]
  const edges = Array.from({ length: BINS - 1 }, (_, i) => x.invert(left + ((width - right - left) * (i + 1)) / BINS))
  const bins = bin<number, number>().domain([low, high]).thresholds(edges)(sortedUs)
  const y = scaleLinear([0, max(bins, (each) => each.length) || 1], [bottom, top])
  const bars = bins
    .filter((each) => each.length > 0)
    .map((each) => {
      const [from, to] = [x(each.x0!), x(each.x1!)]
      const hint = `${formatTime(each.x0!)} to ${formatTime(each.x1!)}: ${each.length}`
      return `<rect x="${round(from + 0.5)}" width="${round(Math.max(to - from - 1, 0.8))}" y="${round(y(each.length))}" height="${round(bottom - y(each.length))}" fill="${colour}"><title>${hint}</title></rect>`
    })
  const marks = [0.5, 0.99].map((q) => {
    const at = round(Math.min(x(percentile(sortedUs, q)), width - right))
    const end = at > width - 40
    return `<line class="mark" x1="${at}" x2="${at}" y1="${top - 4}" y2="${bottom}"/><text class="tick" x="${at + (end ? -3 : 3)}" y="${top - 6}" text-anchor="${end ? 'end' : 'start'}">p${q * 100}</text>`
  })
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(`Histogram of ${label}: ${describe(sortedUs)}`)}">
${timeAxis(x, top, bottom, 4)}${bars.join('')}
<line class="base" x1="${left}" x2="${width - right}" y1="${bottom}" y2="${bottom}"/>${marks.join('')}
</svg>`
}

/** The range that the histograms of a group share: all but the slowest half percent, which the bars would not show. */
export function histogramRange(series: readonly Series[]): readonly [number, number] {
  return [min(series, ({ sortedUs }) => sortedUs[0]!)!, max(series, ({ sortedUs }) => percentile(sortedUs, 0.995))!]
}

/** From p50 over p90 to p99 as a strip, on an axis from zero that the group shares. */
export function rangeStrip({ sortedUs, colour, label }: Series, endUs: number): string {
  const x = scaleLinear([0, endUs], [3, 117])
  const [p50, p90, p99] = [0.5, 0.9, 0.99].map((q) => round(x(percentile(sortedUs, q)))) as [number, number, number]
  return `<svg class="strip" viewBox="0 0 120 16" role="img" aria-label="${escapeHtml(`${label}: ${describe(sortedUs)}`)}">
<line class="base" x1="3" x2="117" y1="8" y2="8"/><line x1="${p50}" x2="${p99}" y1="8" y2="8" stroke="${colour}" stroke-width="3" opacity=".45"/><line x1="${p50}" x2="${p90}" y1="8" y2="8" stroke="${colour}" stroke-width="5"/><circle cx="${p50}" cy="8" r="4" fill="${colour}"/>
</svg>`
}

function describe(sortedUs: Float64Array): string {
  const at = (q: number) => formatTime(percentile(sortedUs, q))
  return `p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}, ${sortedUs.length} samples`
}
