import Table from 'cli-table3'
import type { Environment } from './environment.ts'
import {
  formatBytes,
  formatFileSize,
  formatPercent,
  formatPercentile,
  formatPoints,
  formatRate,
  formatSpeedUp,
  formatTime,
} from './format.ts'
import { highlightsOf } from './highlights.ts'
import { comparesPrecisions, groupRows, type MeasuredRow, type Report, type SuiteName, suiteNames } from './report.ts'

interface Column {
  readonly head: string
  readonly cell: (row: MeasuredRow) => string
}

const p50: Column = { head: 'p50', cell: (row) => formatTime(row.p50Us) }
const p99: Column = { head: 'p99', cell: (row) => formatPercentile(row.p99Us, 0.99, row.samplesUs.length) }

const latencyColumns: readonly Column[] = [
  p50,
  { head: 'p90', cell: (row) => formatPercentile(row.p90Us, 0.9, row.samplesUs.length) },
  p99,
  { head: 'p99.9', cell: (row) => formatPercentile(row.p999Us, 0.999, row.samplesUs.length) },
  { head: 'per s', cell: (row) => formatRate(row.throughput) },
  { head: 'CPU', cell: (row) => formatTime(row.cpuUs) },
  { head: 'loop p99', cell: (row) => formatTime(row.eventLoopDelayP99Us) },
  { head: 'RSS', cell: (row) => formatBytes(row.peakRssBytes) },
  { head: 'vs peer', cell: comparison },
]

/** Of a model in several precisions. */
const precisionColumns: readonly Column[] = [
  p50,
  p99,
  { head: 'vs FP32', cell: comparison },
  { head: 'file', cell: ({ sizeBytes }) => (sizeBytes === null ? '–' : formatFileSize(sizeBytes)) },
]

const accuracyColumns: readonly Column[] = [
  { head: 'top-1', cell: ({ top1 }) => formatPercent(top1) },
  { head: 'top-5', cell: ({ top5 }) => formatPercent(top5) },
  { head: 'drop', cell: ({ peer, drop }) => (peer ? '–' : formatPoints(drop)) },
  { head: 'agrees', cell: ({ peer, agreement }) => (peer ? '–' : formatPercent(agreement)) },
  ...precisionColumns,
]

/** The columns of the terminal's, the documentation's and the HTML report's tables. */
export function columnsOf(suite: SuiteName): readonly Column[] {
  if (suite === 'accuracy') return accuracyColumns
  return suite === 'int8' ? precisionColumns : latencyColumns
}

export const legend = [
  'vs peer: p50 of the peer / p50 of the row (offline: throughput); overhead: time of the row / time of the peer',
  'CPU: all threads of the process, per image · loop p99: how late a timer fires · RSS: peak of the process (preprocess: one for all rows)',
  'accuracy: drop: points of top-1 less than FP32 · agrees: pictures with the class that FP32 gives · accuracy, int8: one thread each',
  '≤: the maximum, where there are too few samples for the percentile (10 for p90, 100 for p99, 1000 for p99.9)',
]

/** As tables in plain text, with what they come down to and what could not be measured. */
export function tableFromReport(report: Report): string {
  const parts = [describeEnvironment(report.environment)]
  for (const suite of suiteNames) {
    const rows = report.rows.filter((row) => row.suite === suite)
    if (rows.length === 0) continue
    parts.push(`${suite}\n${tableOf(rows)}`)
    const found = highlightsOf(rows)
    if (found.length > 0) parts.push(found.map((h) => `  ${h.figure} ${h.claim}: ${h.detail}`).join('\n'))
  }
  if (report.rows.length > 0) parts.push(legend.join('\n'))
  if (report.unavailable.length > 0) {
    const lines = report.unavailable.map((u) => `  ${u.backend} (${u.precision}): ${u.reason} ${u.remedy}`)
    parts.push(`Not available here\n${lines.join('\n')}`)
  }
  if (report.failures.length > 0) {
    const lines = report.failures.map((f) => `  ${f.suite}, ${f.subject}, ${f.model}, ${f.scenario}: ${f.reason}`)
    parts.push(`Failed\n${lines.join('\n')}`)
  }
  return `${parts.join('\n\n')}\n`
}

/** The situation of a group of rows, in one line. */
export function titleOf(row: MeasuredRow): string {
  const rate = row.offeredPerSecond === undefined ? '' : ` at ${formatRate(row.offeredPerSecond)}/s`
  if (comparesPrecisions(row.suite)) return `${row.model} · ${row.backend}`
  return `${row.model} · ${row.precision} · ${row.scenario}${rate} · batch ${row.batch}`
}

function tableOf(rows: readonly MeasuredRow[]): string {
  const columns = columnsOf(rows[0]!.suite)
  const table = new Table({
    head: ['', ...columns.map(({ head }) => head)],
    colAligns: ['left', ...columns.map(() => 'right' as const)],
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 1 },
    chars: noLines,
  })
  for (const group of groupRows(rows)) {
    table.push([{ content: titleOf(group[0]!), colSpan: columns.length + 1 }])
    for (const row of group) table.push([`  ${labelOf(row)}`, ...columns.map(({ cell }) => cell(row))])
  }
  const lines = table.toString().split('\n')
  const rule = '─'.repeat(Math.max(...lines.map((line) => line.trimEnd().length)))
  return [rule, ...lines.map((line) => line.trimEnd()), rule].join('\n')
}

/** The default draws a box around every cell. */
const noLines = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid']
    .flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`])
    .concat('middle')
    .map((name) => [name, name === 'middle' ? ' ' : '']),
)

/** Subject, and backend unless all rows have the same. */
export function labelOf({ suite, subject, backend }: MeasuredRow): string {
  return backend === 'none' || comparesPrecisions(suite) ? subject : `${subject} (${backend})`
}

function comparison(row: MeasuredRow): string {
  if (row.peer) return 'peer'
  if (row.ratioToPeer === null) return '–'
  if (row.suite === 'overhead') return `${(1 / row.ratioToPeer).toFixed(3)}x time`
  return formatSpeedUp(row.ratioToPeer)
}

/** Two lines on where the figures come from. */
function describeEnvironment(environment: Environment): string {
  const { cpu, cores, cpuFlags, memoryBytes, os, node, lowlat, revision, onnxruntime, sharp } = environment
  const flags = cpuFlags.filter((flag) => /vnni|amx|i8mm|avx512f|avx2|asimddp/.test(flag)).join(' ')
  const extra = environment.governor ? `, governor ${environment.governor}` : ''
  return [
    `${cpu}, ${cores} cores${flags ? ` (${flags})` : ''}, ${formatBytes(memoryBytes)}, ${os}${extra}`,
    `Node ${node} · lowlat ${lowlat}${revision ? ` (${revision})` : ''} · onnxruntime-node ${onnxruntime} · sharp ${sharp} · load ${environment.loadAverage} · clock reading ${formatTime(environment.timerCostUs)}`,
  ].join('\n')
}
