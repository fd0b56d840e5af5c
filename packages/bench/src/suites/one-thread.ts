import type { Entry } from '../group.ts'
import type { ModelFacts } from '../subjects/spec.ts'
import { planFolder, type SuiteSettings } from './settings.ts'

/**
 * A model's file, computed by one thread, the calling one where the backend knows threads, from tensors that are ready.
 * For groups that are paired: each call comes right after one of the same model that does not count.
 */
export function oneThreadEntry(
  settings: SuiteSettings,
  model: ModelFacts,
  { subject, backend, precision, peer }: Required<Pick<Entry, 'subject' | 'backend' | 'precision' | 'peer'>>,
): Entry {
  return {
    subject,
    backend,
    precision,
    peer,
    spec: {
      kind: 'lowlat',
      load: { model, batch: 1 },
      session: {
        backend,
        precision: 'model',
        cacheFolder: planFolder(settings),
        backendOptions: { cpu: { threads: 1, placement: 'inline' } },
        rehearse: true,
      },
    },
  }
}
