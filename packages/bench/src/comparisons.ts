import { InputError } from '@lowlat/core'
import { formatBytes, formatSpeedUp, formatTime } from './format.ts'
import { groupRows, type MeasuredRow, type Row, type SuiteName } from './report.ts'
import { SERVER_LOAD } from './scenarios/definitions.ts'
import { isResolved } from './statistics.ts'

/** One quantity of a subject: what the bar shows, and how far the tail reaches beyond it. */
export interface Quantity {
  readonly value: number
  readonly text: string
  readonly tail?: { readonly value: number; readonly text: string }
}

/** lowlat and its peer in one respect. Less is better in all of them. */
export interface Comparison {
  readonly title: string
  readonly detail: string
  readonly own: Quantity
  readonly peer: Quantity
  /** In words. */
  readonly verdict: string
}

const MODEL = 'resnet50'
const BACKEND = 'cpu'

/**
 * What the figure shows: six respects in which a service feels the difference, the same ones whoever wins.
 * @throws InputError INVALID_ARGUMENT when the report is not one of the default bench.
 */
export function comparisonsOf(rows: readonly MeasuredRow[]): Comparison[] {
  const single = pairOf(rows, 'latency', 'single-stream')
  const server = pairOf(rows, 'latency', 'server')
  const session = pairOf(rows, 'overhead', 'single-stream')
  const start = pairOf(rows, 'coldstart', 'load + first run')
  return [
    timeOf(single, 'JPEG to classes, one at a time', 'decode, resize, normalise, infer, top five'),
    timeOf(
      server,
      'JPEG to classes, random arrivals',
      `Poisson at ${SERVER_LOAD * 100} % load, from the scheduled time`,
    ),
    timeOf(session, 'Tensor to tensor', 'a run alone: the price of leaving the main thread'),
    timeOf(start, 'Load and first answer', 'in a new process, plan cache warm'),
    ratioOf(
      session,
      (row) => row.eventLoopDelayP99Us,
      formatTime,
      'Event-loop delay, p99',
      'how late timers and sockets are served meanwhile',
    ),
    ratioOf(
      session,
      (row) => row.peakRssBytes,
      formatBytes,
      'Peak memory of the process',
      'weights are mapped, not copied',
    ),
  ]
}

interface Pair {
  readonly own: MeasuredRow
  readonly peer: MeasuredRow
}

/** The first subject of the group on the CPU, and its peer. */
function pairOf(rows: readonly MeasuredRow[], suite: SuiteName, scenario: Row['scenario']): Pair {
  const group = groupRows(rows).find(
    ([row]) => row?.suite === suite && row.scenario === scenario && row.batch === 1 && row.model.startsWith(MODEL),
  )
  const [own, peer] = [group?.find((row) => row.backend === BACKEND && !row.peer), group?.find((row) => row.peer)]
  if (own && peer) return { own, peer }
  throw new InputError('INVALID_ARGUMENT', {
    message: `Expected a report with ${MODEL} on ${BACKEND} and its peer in the ${suite} suite, ${scenario}; there is none.`,
    remedy: 'Run the default bench: bench --json FILE',
    expected: [suite, scenario],
  })
}

function timeOf({ own, peer }: Pair, title: string, detail: string): Comparison {
  const verdict = formatSpeedUp(peer.p50Us / own.p50Us)
  return { title, detail, verdict, own: latencyOf(own), peer: latencyOf(peer) }
}

function latencyOf({ p50Us, p99Us, samplesUs }: MeasuredRow): Quantity {
  const name = isResolved(samplesUs.length, 0.99) ? 'p99' : 'max'
  return { value: p50Us, text: formatTime(p50Us), tail: { value: p99Us, text: `${name} ${formatTime(p99Us)}` } }
}

function ratioOf(
  { own, peer }: Pair,
  pick: (row: MeasuredRow) => number,
  format: (value: number) => string,
  title: string,
  detail: string,
): Comparison {
  const [mine, other] = [pick(own), pick(peer)]
  const factor = Math.max(mine, other) / Math.min(mine, other)
  const verdict = factor < 1.005 ? 'equal' : `${factor.toFixed(factor < 10 ? 2 : 0)}x ${mine < other ? 'less' : 'more'}`
  const quantity = (value: number): Quantity => ({ value, text: format(value) })
  return { title, detail, verdict, own: quantity(mine), peer: quantity(other) }
}
