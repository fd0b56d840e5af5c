/**
 * Classify a picture: JPEG, PNG or WebP in, the five most likely classes out.
 *
 *   node index.ts [MODEL.onnx] [IMAGE] [LABELS.txt]
 *
 * Without arguments it makes its own model and picture: a ResNet-50 with random weights, which shows the time and the
 * way, but not what is in a picture.
 */
import { readFile } from 'node:fs/promises'
import { createSession, infer, pipeline, type Stage, type Tensor, Timeline } from '@lowlat/core'
import { generateModel } from '@lowlat/onnx'
import { softmax, topK } from '@lowlat/postprocess'
import { decodeImage, imagenet, mobilenet } from '@lowlat/preprocess'
import sharp from 'sharp'

const [modelPath, imagePath, labelsPath] = process.argv.slice(2)

const model = modelPath || generateModel('resnet50')
const image =
  imagePath ??
  (await sharp({ create: { width: 500, height: 375, channels: 3, background: 'teal' } })
    .jpeg()
    .toBuffer())
const labels = labelsPath ? (await readFile(labelsPath, 'utf8')).trimEnd().split('\n') : undefined
if (!modelPath) console.log('No model given: a generated ResNet-50 with random weights. Its classes mean nothing.')

await using session = await createSession(model)

// What the model was trained with: torchvision's models and the MobileNets of TensorFlow differ.
const decode = modelPath?.includes('mobilenet')
  ? decodeImage({ ...mobilenet, resize: [224, 224] })
  : decodeImage({ ...imagenet, resize: 256, crop: 224 })

// Some models end with a softmax, others leave it to the application, which knows its model: topK has an option for that.
// This example takes any model, and looks at what it gives.
const probabilities: Stage<Tensor, Tensor> = {
  name: 'probabilities',
  segment: 'postprocess',
  run(scores) {
    const values = scores.toFloat32()
    const sum = values.reduce((total, value) => total + value, 0)
    return values.every((value) => value >= 0) && Math.abs(sum - 1) < 0.01 ? scores : softmax(scores)
  },
}

const classify = pipeline(decode)
  .pipe(infer(session))
  .pipe(probabilities)
  .pipe(topK(5, { ...(labels && { labels }) }))

const timeline = new Timeline()
const classes = await classify.run(image, { timeline, deadlineMs: 5_000 })

for (const { index, label, score } of classes)
  console.log(`${(100 * score).toFixed(1).padStart(5)} %  ${label ?? `class ${index}`}`)
console.log(`on ${session.backend}, in ${(timeline.totalUs / 1000).toFixed(1)} ms:`)
for (const { segment, label, durationUs } of timeline.toJSON().spans) {
  console.log(`${(durationUs / 1000).toFixed(2).padStart(8)} ms  ${segment}${label ? ` (${label})` : ''}`)
}
