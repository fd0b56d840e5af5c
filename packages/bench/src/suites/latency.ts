import type { Entry } from '../group.ts'
import type { ScenarioName } from '../scenarios/definitions.ts'
import type { Load } from '../subjects/spec.ts'
import { MAX_SAMPLES, PLAIN, planFolder, type Step, type SuiteSettings } from './settings.ts'
import { stepOf } from './step.ts'

/**
 * End to end, for image classifiers from JPEG bytes to the five best classes: a lowlat pipeline per backend against
 * plain onnxruntime-node doing the same. Models that take anything else are run on synthetic tensors.
 */
export function latencySteps(settings: SuiteSettings): Step[] {
  const { model, jpegs, seconds } = settings
  const steps: Step[] = []
  for (const precision of settings.precisions) {
    for (const batch of settings.batches) {
      for (const scenario of settings.scenarios) {
        const load: Load = { model, batch, ...(model.imageSize !== undefined && { jpegs }) }
        const entries: Entry[] = settings.backends.map((backend) => ({
          subject: model.imageSize === undefined ? 'lowlat session' : 'lowlat pipeline',
          backend,
          peer: false,
          spec: {
            kind: 'lowlat',
            load,
            session: { backend, precision, cacheFolder: planFolder(settings), backendOptions: tunedFor(scenario) },
          },
        }))
        entries.push({ subject: PLAIN, backend: 'none', peer: true, spec: { kind: 'plain', load } })
        const group = { suite: 'latency', model: model.label, precision, scenario, batch, entries } as const
        steps.push(stepOf({ ...group, seconds, maxSamples: MAX_SAMPLES, sameAnswers: true }))
      }
    }
  }
  return steps
}

/** What a user sets who wants the most runs per second: the one scenario that asks for throughput. */
function tunedFor(scenario: ScenarioName) {
  return { cpu: { mode: scenario === 'offline' ? 'throughput' : 'latency' } }
}
