/**
 * Quantize a float model to INT8 after training, and show what it costs and what it brings.
 *
 *   node index.ts [MODEL.onnx PICTURES_FOLDER [QUANTIZED.onnx]]
 *
 * Without arguments it takes the reference model of @lowlat/bench with its own rendered pictures, whose classes are known.
 */
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { referenceDataset, referenceImage, referenceModels } from '@lowlat/bench'
import { createSession, type Session, type Tensor } from '@lowlat/core'
import { createImageDecoder, type ImageOptions, imagenet } from '@lowlat/preprocess'
import { quantize } from '@lowlat/quantize'

const [modelPath, folder, outputPath] = process.argv.slice(2)
if (modelPath && !folder) {
  console.error('Usage: 05-quantize-ptq [MODEL.onnx PICTURES_FOLDER [QUANTIZED.onnx]]')
  process.exit(2)
}
const model = modelPath ?? referenceModels.fp32.path
const imageOptions: ImageOptions = modelPath ? { ...imagenet, resize: 256, crop: 224 } : referenceImage
const decoder = createImageDecoder(imageOptions)

/** Prepared as in production: the ranges of the activations depend on it. */
async function* calibrationSamples(): AsyncGenerator<Tensor> {
  if (folder) {
    const files = (await readdir(folder)).filter((name) => /\.(jpe?g|png|webp)$/i.test(name)).slice(0, 100)
    for (const file of files) yield (await decoder.decode(join(folder, file))).tensor
    return
  }
  for await (const { image } of referenceDataset({ split: 'calibration', count: 100 })) {
    yield (await decoder.decode(image)).tensor
  }
}

const { model: quantized, report } = await quantize(model, {
  samples: calibrationSamples(),
  target: 'cpu',
  onProgress(event) {
    if (event.phase !== 'search') return
    const { choice, error } = event.trial
    const { method, weights, rounding, biases } = choice
    console.log(
      `${error.sqnrDb.toFixed(1).padStart(6)} dB  ${method} ranges, ${weights} weights, ${rounding} rounding, biases ${biases === 'model' ? 'of the model' : biases}`,
    )
  },
})

const { choice, error, speed, warnings } = report
console.log(
  `chosen: ${choice.method}; the outputs keep ${error.sqnrDb.toFixed(1)} dB, cosine ${error.cosine.toFixed(4)}`,
)
if (speed) {
  const [float, integer] = [speed.floatUs, speed.quantizedUs].map((us) => (us / 1000).toFixed(2))
  console.log(`one thread: ${float} ms in FP32, ${integer} ms in INT8, ${speed.speedup.toFixed(2)}x`)
}
for (const warning of warnings) console.log(`note: ${warning}`)
if (outputPath) await writeFile(outputPath, quantized)

if (!modelPath) {
  await using float = await createSession(model)
  await using integer = await createSession(quantized)
  console.log(`top-1 in FP32: ${await top1(float)} %, in INT8: ${await top1(integer)} %`)
}

async function top1(session: Session): Promise<number> {
  const count = 200
  let right = 0
  for await (const { image, label } of referenceDataset({ split: 'evaluation', count })) {
    const { tensor } = await decoder.decode(image)
    const logits = (await session.run({ input: tensor })).logits!.toFloat32()
    if (logits.indexOf(Math.max(...logits)) === label) right++
  }
  return (100 * right) / count
}
