import type { Entry } from '../group.ts'
import { MAX_SAMPLES, PLAIN, planFolder, type Step, type SuiteSettings } from './settings.ts'
import { stepOf } from './step.ts'

/** Runs of microseconds need less time for more samples. */
const MICRO_SHARE = 0.2

/**
 * What lowlat adds to a run on tensors that are ready: to the model itself, to a model of a few microseconds that runs
 * in the calling thread, and to a backend that computes nothing.
 */
export function overheadSteps(settings: SuiteSettings): Step[] {
  const { model, tinyModel, backends, precisions, seconds } = settings
  const cacheFolder = planFolder(settings)
  const common = { suite: 'overhead', scenario: 'single-stream', batch: 1, maxSamples: MAX_SAMPLES } as const
  const load = { model, batch: 1 }
  const tiny = { model: tinyModel, batch: 1 }
  const plain = { subject: PLAIN, backend: 'none', peer: true } as const
  const inline = {
    backend: 'cpu',
    precision: 'fp32',
    cacheFolder,
    backendOptions: { cpu: { placement: 'inline' } },
  } as const
  const inlineStep = stepOf({
    ...common,
    model: tinyModel.label,
    precision: 'fp32',
    entries: [
      {
        subject: 'lowlat session, inline',
        backend: 'cpu',
        peer: false,
        spec: { kind: 'lowlat', load: tiny, session: inline },
      },
      { ...plain, spec: { kind: 'plain', load: tiny } },
    ],
    seconds: seconds * MICRO_SHARE,
    sameAnswers: true,
  })
  return [
    ...precisions.map((precision) => {
      const entries: Entry[] = backends.map((backend) => ({
        subject: 'lowlat session',
        backend,
        peer: false,
        spec: { kind: 'lowlat', load, session: { backend, precision, cacheFolder } },
      }))
      entries.push({ ...plain, spec: { kind: 'plain', load } })
      return stepOf({ ...common, model: model.label, precision, entries, seconds, sameAnswers: true })
    }),
    ...(model.path === tinyModel.path ? [] : [inlineStep]),
    stepOf({
      ...common,
      model: 'no model (a backend that returns its input)',
      precision: 'fp32',
      entries: [
        { subject: 'lowlat session', backend: 'echo', peer: false, spec: { kind: 'null-session' } },
        { subject: 'execution context alone', backend: 'echo', peer: true, spec: { kind: 'null-context' } },
      ],
      seconds: seconds * MICRO_SHARE,
      sameAnswers: true,
    }),
  ]
}
