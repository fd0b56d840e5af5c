import { createBackend } from '@lowlat/backend-cpu'
import { createSession, type Tensor } from '@lowlat/core'
import { decodeYolox, topKIndices } from '@lowlat/postprocess'
import { meanAveragePrecision } from '../src/metrics/mean-average-precision.ts'
import type { Case, DetectionFeeds } from './cases.ts'

/** How good a model is on a case. */
export interface Score {
  /** Top-1 or mAP, in percent. */
  readonly value: number
  /** Of a classifier: the class that it gives each picture. */
  readonly classes: readonly number[] | undefined
}

/** Runs the model on the CPU with everything that ONNX Runtime optimises: whoever quantized it, as a service runs it. */
export async function scoreOf(path: string, example: Case): Promise<Score> {
  await using session = await createSession(path, { backend: createBackend(), cache: false })
  const run = async (tensor: Tensor) => {
    const fetches = await session.run({ [session.inputs[0]!.name]: tensor })
    return fetches[session.outputs[0]!.name]!
  }
  if (example.kind === 'detector') return { value: 100 * (await mapOf(example.evaluation, run)), classes: undefined }
  const classes: number[] = []
  let right = 0
  for (const { tensor, label } of example.evaluation) {
    const [best] = topKIndices((await run(tensor)).toFloat32(), 1)
    classes.push(best!)
    if (best === label) right++
  }
  return { value: (100 * right) / classes.length, classes }
}

/** As YOLOX itself is evaluated. @returns 0..1. */
export async function mapOf(
  pictures: readonly DetectionFeeds[],
  run: (tensor: Tensor) => Promise<Tensor>,
): Promise<number> {
  const observed = []
  for (const { tensor, transform, truths } of pictures) {
    const [detections] = decodeYolox(await run(tensor), [transform], { scoreThreshold: 0.001, iouThreshold: 0.65 })
    observed.push({ truths, detections: detections! })
  }
  return meanAveragePrecision(observed).map
}

/** Share of the pictures, in percent, that both give the same class. */
export function agreementOf({ classes: a }: Score, { classes: b }: Score): number | undefined {
  if (!a || !b) return undefined
  return (100 * a.filter((each, index) => each === b[index]).length) / a.length
}
