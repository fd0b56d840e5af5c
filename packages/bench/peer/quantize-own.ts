/**
 * Quantizes one of the cases with everything automatic, in a process of its own, and prints what it took as a line of
 * JSON: `quantize-own.ts CASE TARGET OUTPUT`.
 */
import { writeFile } from 'node:fs/promises'
import { createBackend } from '@lowlat/backend-cpu'
import { quantize, type Target } from '@lowlat/quantize'
import { peakRssBytes } from '../src/process-cost.ts'
import { cases } from './cases.ts'
import { mapOf } from './score.ts'

/** What a detector may lose of its mAP (0..1) on the calibration pictures. */
const MOST_LOST = 0.01

const [name, target, output] = process.argv.slice(2) as [string, Target, string]
const example = await cases[name]!()
const start = performance.now()
const { model, report } = await quantize(example.model, {
  target,
  backend: createBackend(),
  ...(example.kind === 'classifier'
    ? { samples: example.calibration }
    : {
        samples: example.calibration.map(({ tensor }) => tensor),
        maxDrop: MOST_LOST,
        metric: {
          name: 'mAP',
          evaluate: (run) => mapOf(example.calibration, async (images) => Object.values(await run({ images }))[0]!),
        },
      }),
})
const seconds = (performance.now() - start) / 1000
await writeFile(output, model)
const { choice, inFloat, speed, warnings } = report
process.stdout.write(
  `${JSON.stringify({ seconds, peakRssBytes: peakRssBytes(), choice, inFloat: inFloat.length, speed, warnings })}\n`,
)
