import { type LoadGroup, runGroup } from '../driver.ts'
import { OPEN_SECONDS, type Step } from './settings.ts'

/** The step that measures one group, by default in a process per subject. */
export function stepOf(group: LoadGroup, run: typeof runGroup = runGroup): Step {
  const { suite, model, precision, scenario, batch, entries, seconds } = group
  return {
    title: `${suite}: ${model}, ${precision}, ${scenario}, batch ${batch}`,
    seconds: entries.length * (seconds + OPEN_SECONDS),
    run: (onProgress) => run(group, onProgress),
  }
}
