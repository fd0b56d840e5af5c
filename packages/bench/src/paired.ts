import { performAlone } from './child-process.ts'
import type { LoadGroup } from './driver.ts'
import { failureOf, rowOf, withRatios } from './group.ts'
import type { Outcome } from './report.ts'

/**
 * Measures a group in one process, call by call in turns. Processes of the same program differ by some percent in what
 * the machine gives them; here a sample of one subject has its neighbour in time in every other, so that differences of
 * a hundredth of a run can be told. CPU time is each subject's own; memory and event-loop delay are the process's.
 */
export async function runPaired(group: LoadGroup, onProgress: (share: number) => void = () => {}): Promise<Outcome> {
  const { entries, seconds, maxSamples } = group
  try {
    const { subjects, ...cost } = await performAlone('paired', {
      specs: entries.map(({ spec }) => spec),
      durationUs: seconds * entries.length * 1e6,
      maxSamples,
    })
    onProgress(1)
    const rows = entries.map((entry, index) => {
      const { samplesUs, cpuUs } = subjects[index]!
      const elapsedUs = samplesUs.reduce((sum, sample) => sum + sample, 0)
      return rowOf(group, entry, { ...cost, samplesUs, requests: samplesUs.length, elapsedUs, cpuUs })
    })
    const compared = withRatios(rows).map((row, index) =>
      entries[index]!.partial ? { ...row, ratioToPeer: null } : row,
    )
    return { rows: compared, unavailable: [], failures: [] }
  } catch (error) {
    return { rows: [], unavailable: [], failures: entries.map((entry) => failureOf(group, entry, error)) }
  }
}
