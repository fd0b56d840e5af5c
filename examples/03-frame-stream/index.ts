/**
 * A camera's frames through a pipeline: in order, a bounded number at a time, and late frames dropped.
 *
 *   node index.ts [MODEL.onnx] [FRAMES] [DEADLINE_MS]
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createSession, infer, isLowlatError, pipeline } from '@lowlat/core'
import { generateModel } from '@lowlat/onnx'
import { topK } from '@lowlat/postprocess'
import { decodeImage, imagenet, type RawImage } from '@lowlat/preprocess'

const [modelPath, count = '60', deadlineMs = '250'] = process.argv.slice(2)
const FRAMES_PER_SECOND = 30

/** Raw RGB frames, as a capture library hands them over; a moving gradient stands in for the world. */
async function* camera(frames: number): AsyncGenerator<RawImage> {
  const [width, height] = [320, 240]
  for (let frame = 0; frame < frames; frame++) {
    const data = new Uint8Array(width * height * 3)
    for (let i = 0; i < data.length; i++) data[i] = (i + frame * 7) & 255
    yield { data, width, height, channels: 3 }
    await sleep(1000 / FRAMES_PER_SECOND)
  }
}

await using session = await createSession(modelPath || generateModel('mobilenet_v2'))
const classify = pipeline(decodeImage({ ...imagenet, resize: 256, crop: 224 }))
  .pipe(infer(session))
  .pipe(topK(1))

let dropped = 0
let shown = 0
const results = classify.stream(camera(Number(count)), {
  maxInFlight: 4, // at most four frames between camera and screen, so that a slow machine does not pile them up
  ordered: true,
  deadlineMs: Number(deadlineMs), // a frame older than this is of no use
  onError(error) {
    // A late frame is dropped and the stream goes on; anything else ends it.
    if (!isLowlatError(error, 'DEADLINE_EXCEEDED') && !isLowlatError(error, 'DEADLINE_UNREACHABLE')) return 'throw'
    dropped++
    return 'skip'
  },
})
for await (const [best] of results) {
  shown++
  if (shown % 20 === 0) console.log(`frame result ${shown}: class ${best!.index}`)
}
console.log(`${shown} frames shown, ${dropped} dropped for their deadline, on ${session.backend}`)
