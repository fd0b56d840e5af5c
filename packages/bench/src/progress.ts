import cliProgress from 'cli-progress'
import type { Progress } from './bench.ts'
import { formatSpeedUp, formatTime } from './format.ts'
import { labelOf } from './table.ts'

/** A bar on a terminal; a line per part anywhere else. Writes to `stream`, which is not where the table goes. */
export function createProgress(stream: NodeJS.WriteStream): Progress & { stop(): void } {
  return stream.isTTY ? barProgress(stream) : lineProgress(stream)
}

function barProgress(stream: NodeJS.WriteStream): Progress & { stop(): void } {
  const bar = new cliProgress.SingleBar({
    stream,
    format: '{bar} {percentage}%  {title}',
    barsize: 24,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    gracefulExit: false,
    clearOnComplete: true,
  })
  bar.start(100, 0, { title: '' })
  const percent = (share: number) => Math.min(100, Math.round(share * 100))
  return {
    onStep: (title, share) => bar.update(percent(share), { title }),
    onAdvance: (share) => bar.update(percent(share)),
    onOutcome: () => {},
    stop: () => bar.stop(),
  }
}

function lineProgress(stream: NodeJS.WriteStream): Progress & { stop(): void } {
  return {
    onStep: (title, share) => stream.write(`${String(Math.round(share * 100)).padStart(3)} %  ${title}\n`),
    onAdvance: () => {},
    onOutcome({ rows }) {
      for (const row of rows) {
        const ratio = row.peer || row.ratioToPeer === null ? '' : `, ${formatSpeedUp(row.ratioToPeer)}`
        stream.write(`       ${labelOf(row)}: p50 ${formatTime(row.p50Us)}, p99 ${formatTime(row.p99Us)}${ratio}\n`)
      }
    },
    stop: () => {},
  }
}
