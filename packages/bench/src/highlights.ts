import { AUTO_SUBJECT } from './accuracy/variants.ts'
import { formatDifference, formatFileSize, formatPercent, formatSpeedUp, formatTime } from './format.ts'
import { groupRows, type MeasuredRow, type SuiteName } from './report.ts'
import { pairedDifference } from './statistics.ts'
import { NORMALISE_ALONE, SHARP_ALONE } from './suites/settings.ts'

/** Below it INT8 brings nothing that a user would notice. */
const LEAST_GAIN = 1.1

/** What a group of rows comes down to. */
export interface Highlight {
  readonly suite: SuiteName
  readonly figure: string
  readonly claim: string
  readonly detail: string
}

/** The figures that the suites were made to find, as far as they were measured. */
export function highlightsOf(rows: readonly MeasuredRow[]): Highlight[] {
  return groupRows(rows).flatMap((group) => {
    const peer = group.find((row) => row.peer)
    const own = group.find((row) => !row.peer)
    return own && peer ? of[own.suite](own, peer, group) : []
  })
}

type Summarize = (own: MeasuredRow, peer: MeasuredRow, group: readonly MeasuredRow[]) => Omit<Highlight, 'suite'>[]

const of: Record<SuiteName, (...args: Parameters<Summarize>) => Highlight[]> = {
  latency: suiteOf('latency', (own, peer) => {
    if (own.scenario !== 'single-stream' || own.batch !== 1) return []
    return [
      {
        figure: formatTime(own.p50Us),
        claim: `p50 end to end, ${own.model}`,
        detail: `${formatTime(peer.p50Us)} with ${peer.subject} (${formatSpeedUp(own.ratioToPeer ?? 1)})`,
      },
      {
        figure: formatTime(own.eventLoopDelayP99Us),
        claim: 'event-loop delay p99 meanwhile',
        detail: `${formatTime(peer.eventLoopDelayP99Us)} with ${peer.subject}`,
      },
    ]
  }),
  overhead: suiteOf('overhead', (own, peer) => {
    const addedUs = own.p50Us - peer.p50Us
    const both = `${formatTime(own.p50Us)} against ${formatTime(peer.p50Us)}, ${peer.subject}`
    // Of runs of microseconds the factor says little.
    if (peer.p50Us < 1000) {
      return [{ figure: formatDifference(addedUs), claim: `added by a session, ${own.model}`, detail: both }]
    }
    const figure = `${(own.p50Us / peer.p50Us).toFixed(3)}x`
    return [{ figure, claim: `the time of a plain run, ${own.model}`, detail: `${both}: ${formatDifference(addedUs)}` }]
  }),
  preprocess: suiteOf('preprocess', (own, peer, group) => {
    const step = group.find(({ subject }) => subject === NORMALISE_ALONE)
    const sharp = group.find(({ subject }) => subject === SHARP_ALONE)
    const reused = group.find((row) => row !== own && row !== peer && row !== step && row !== sharp)
    if (!reused || !step || !sharp) return []
    const over = ({ samplesUs }: MeasuredRow) => {
      const { median, low, high } = pairedDifference(samplesUs, sharp.samplesUs)
      return `${formatDifference(median)} (${formatDifference(low)} to ${formatDifference(high)})`
    }
    return [
      {
        figure: formatTime(step.p50Us),
        claim: 'for normalisation and layout alone, right after a decode',
        detail: `over sharp's own time, median of paired differences (95 % interval): ${over(own)} for a new tensor; ${over(reused)} for a reused one; ${over(peer)} with a plain loop`,
      },
    ]
  }),
  coldstart: suiteOf('coldstart', (warm, peer, group) => {
    const cold = group.find((row) => !row.peer && row !== warm)
    const first = cold ? `; ${formatTime(cold.p50Us)} the first time` : ''
    return [
      {
        figure: `${(warm.ratioToPeer ?? 1).toFixed(2)}x`,
        claim: 'as fast to the first answer, from a warm plan cache',
        detail: `${formatTime(warm.p50Us)} against ${formatTime(peer.p50Us)}, ${peer.subject}${first}`,
      },
    ]
  }),
  accuracy: suiteOf('accuracy', (_, peer, group) => {
    const auto = group.find(({ subject }) => subject === AUTO_SUBJECT)
    if (!auto || auto.ratioToPeer === null) return []
    return [
      {
        figure: formatSpeedUp(auto.ratioToPeer),
        claim: `in INT8, ${auto.model}`,
        detail: `top-1 ${formatPercent(auto.top1)} against ${formatPercent(peer.top1)}, ${formatPercent(auto.agreement)} of the pictures get the same class, ${sizesOf(auto, peer)}`,
      },
    ]
  }),
  int8: suiteOf('int8', (own, peer) => [
    {
      figure: formatSpeedUp(own.ratioToPeer ?? 1),
      claim: `in INT8, ${own.model}`,
      detail: `${formatTime(own.p50Us)} against ${formatTime(peer.p50Us)}${own.backend === 'cpu' ? ' with one thread' : ''}, ${sizesOf(own, peer)}`,
    },
  ]),
}

function sizesOf(quantized: MeasuredRow, float: MeasuredRow): string {
  const gainsNothing = quantized.ratioToPeer !== null && quantized.ratioToPeer < LEAST_GAIN
  const advice = gainsNothing ? '; it gains nothing here: keep the float model' : ''
  return `${formatFileSize(quantized.sizeBytes ?? 0)} instead of ${formatFileSize(float.sizeBytes ?? 0)}${advice}`
}

function suiteOf(suite: SuiteName, summarize: Summarize) {
  return (...args: Parameters<Summarize>): Highlight[] => summarize(...args).map((found) => ({ suite, ...found }))
}
