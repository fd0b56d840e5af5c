import { type LoadGroup, runGroup } from '../driver.ts'
import { OPEN_SECONDS, type Step } from './settings.ts'

/** The step that measures one group. */
export function stepOf(group: LoadGroup): Step {
  const { suite, model, precision, scenario, batch, entries, seconds } = group
  return {
    title: `${suite}: ${model}, ${precision}, ${scenario}, batch ${batch}`,
    seconds: entries.length * (seconds + OPEN_SECONDS),
    run: (onProgress) => runGroup(group, onProgress),
  }
}
