import { isResolved } from './statistics.ts'

/** Three significant digits, in the unit that suits the size. */
export function formatTime(us: number): string {
  const size = Math.abs(us)
  if (size < 999.5) return `${digits(us)} µs`
  if (size < 999_500) return `${digits(us / 1000)} ms`
  return `${digits(us / 1e6)} s`
}

/** With its sign: a difference. */
export function formatDifference(us: number): string {
  return `${us < 0 ? '−' : '+'}${formatTime(Math.abs(us))}`
}

/** A percentile, marked where so few samples were taken that it is only the maximum. */
export function formatPercentile(us: number, q: number, samples: number): string {
  return isResolved(samples, q) ? formatTime(us) : `≤ ${formatTime(us)}`
}

export function formatRate(perSecond: number): string {
  return perSecond < 10_000 ? digits(perSecond) : `${digits(perSecond / 1000)}k`
}

export function formatBytes(bytes: number): string {
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${digits(bytes / 1e9)} GB`
}

export function formatFileSize(bytes: number): string {
  return bytes < 1e6 ? `${digits(bytes / 1e3)} kB` : `${digits(bytes / 1e6)} MB`
}

/** A share that is in percent already. */
export function formatPercent(percent: number | null): string {
  return percent === null ? '–' : `${percent.toFixed(2)} %`
}

/** A difference of percentages; what is lost has no sign. */
export function formatPoints(points: number | null): string {
  if (points === null) return '–'
  const text = Math.abs(points).toFixed(2)
  return points < 0 && text !== '0.00' ? `−${text}` : text
}

/** How a row compares with its peer, in words. */
export function formatSpeedUp(ratio: number): string {
  if (Math.abs(ratio - 1) < 0.005) return 'equal'
  return ratio > 1 ? `${factor(ratio)}x faster` : `${factor(1 / ratio)}x slower`
}

const factor = (ratio: number) => (ratio < 10 ? ratio.toFixed(2) : digits(ratio))

function digits(value: number): string {
  const size = Math.abs(value)
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2)
}
