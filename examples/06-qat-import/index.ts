/**
 * Import a model that was trained with quantization (QAT), and see how it runs and where else it could run.
 *
 *   node index.ts [MODEL.onnx]
 *
 * Without an argument it takes the reference model of @lowlat/bench, whose training stands in examples/qat.
 */
import { referenceDataset, referenceImage, referenceModels } from '@lowlat/bench'
import { createSession, isLowlatError } from '@lowlat/core'
import { graphFromFile, onnxFromGraph } from '@lowlat/onnx'
import { createImageDecoder } from '@lowlat/preprocess'
import { importQuantized, textFromImport, translate } from '@lowlat/quantize'

const [modelPath] = process.argv.slice(2)
const { graph, report } = importQuantized(await graphFromFile(modelPath ?? referenceModels.qat.path))
console.log(textFromImport(report))

// Another target wants other integers. What cannot be had exactly is refused, with the reason.
try {
  translate(graph, 'trt')
  console.log('TensorRT takes it exactly as it is.')
} catch (error) {
  if (!isLowlatError(error, 'QUANTIZATION_INEXACT')) throw error
  console.log(error.message)
}

if (!modelPath) {
  const decoder = createImageDecoder(referenceImage)
  await using float = await createSession(referenceModels.fp32.path)
  await using integer = await createSession(onnxFromGraph(graph))
  let [rows, right, agreed] = [0, 0, 0]
  for await (const { image, label } of referenceDataset({ split: 'evaluation', count: 200 })) {
    const { tensor } = await decoder.decode(image)
    const [a, b] = await Promise.all(
      [float, integer].map(async (session) => {
        const logits = (await session.run({ input: tensor })).logits!.toFloat32()
        return logits.indexOf(Math.max(...logits))
      }),
    )
    rows++
    if (b === label) right++
    if (a === b) agreed++
  }
  console.log(`top-1 in INT8: ${(100 * right) / rows} %, agrees with FP32 on ${(100 * agreed) / rows} %`)
}
