import { runPaired } from '../paired.ts'
import type { DecodeWay } from '../subjects/spec.ts'
import { MAX_SAMPLES, NORMALISE_ALONE, SHARP_ALONE, type Step, type SuiteSettings } from './settings.ts'
import { stepOf } from './step.ts'

/** A few milliseconds per image need less time for enough samples. */
const SHARE = 0.4
const DEFAULT_SIZE = 224

/** JPEG bytes to a normalised float32 tensor [1, 3, S, S]; sharp alone, without the normalisation, is the floor. */
export function preprocessSteps({ model, jpegs, seconds }: SuiteSettings): Step[] {
  const size = model.imageSize ?? DEFAULT_SIZE
  const decode = (way: DecodeWay) => ({ kind: 'decode', with: way, jpegs, size }) as const
  const group = {
    suite: 'preprocess',
    model: `JPEG ${jpegs.width}x${jpegs.height} to ${size}x${size}`,
    precision: 'fp32',
    scenario: 'single-stream',
    batch: 1,
    entries: [
      { subject: 'lowlat decodeImage', backend: 'none', peer: false, spec: decode('lowlat') },
      { subject: 'lowlat, into a reused tensor', backend: 'none', peer: false, spec: decode('lowlat into') },
      { subject: NORMALISE_ALONE, backend: 'none', peer: false, partial: true, spec: decode('normalise') },
      { subject: SHARP_ALONE, backend: 'none', peer: false, partial: true, spec: decode('sharp') },
      { subject: 'sharp and a plain loop', backend: 'none', peer: true, spec: decode('plain') },
    ],
    seconds: seconds * SHARE,
    maxSamples: MAX_SAMPLES,
    sameAnswers: false,
  } as const
  return [stepOf(group, runPaired)]
}
