// Renders the reference dataset for training: node --conditions=@lowlat/source --import tsx examples/qat/index.ts FOLDER
import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createImageDecoder } from '@lowlat/preprocess'
import { type ReferenceSplit, referenceDataset } from '../../packages/bench/src/reference/dataset.ts'

const counts = { train: 24_000, calibration: 512, evaluation: 2000 } as const satisfies Record<ReferenceSplit, number>

const [folder] = process.argv.slice(2)
if (!folder) {
  console.error('Usage: index.ts FOLDER')
  process.exit(2)
}
await mkdir(folder, { recursive: true })

// Training sees the pixels that the application will decode.
const decoder = createImageDecoder({ layout: 'NHWC', dtype: 'uint8' })

/** Per picture a byte for its label, then [64, 64, 3] RGB bytes. */
async function* records(split: ReferenceSplit): AsyncGenerator<Uint8Array> {
  for await (const { image, label } of referenceDataset({ split, count: counts[split] })) {
    yield Uint8Array.of(label)
    yield (await decoder.decode(image)).tensor.data
  }
}

for (const split of Object.keys(counts) as ReferenceSplit[]) {
  const path = join(folder, `${split}.bin`)
  await pipeline(Readable.from(records(split), { objectMode: false }), createWriteStream(path))
  console.log(`${counts[split]} pictures in ${path}`)
}
