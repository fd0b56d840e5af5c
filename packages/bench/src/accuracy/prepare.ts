import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { ConfigError, InputError, ModelError } from '@lowlat/core'
import { describeModel, type ValueDescription } from '@lowlat/onnx'
import { createImageDecoder, type ImageOptions } from '@lowlat/preprocess'
import { loadModelFacts } from '../models.ts'
import { referenceClasses } from '../reference/dataset.ts'
import { referenceImage, referenceModels } from '../reference/model.ts'
import { evenly } from './evenly.ts'
import { imageOptionsFor } from './image-options.ts'
import { labelledFiles } from './labelled-files.ts'
import type { AccuracyChoice, AccuracyTask } from './task.ts'

/** As many as the notes on calibration ask for; more bring nothing. */
const REFERENCE_CALIBRATION = 128

/**
 * Reads what there is, and checks that model, pictures and classes fit, before anything is computed.
 * @throws ModelError MODEL_UNSUPPORTED for a model that is no image classifier, and as reading it does; ConfigError
 * CONFIG_INVALID for bad image options; InputError INVALID_ARGUMENT for pictures or classes that cannot be used.
 */
export async function prepareAccuracy(choice: AccuracyChoice): Promise<AccuracyTask> {
  if (choice.kind === 'reference') return referenceTask(choice.mostPictures)
  const { model, qat, data, preprocess, classOffset, mostPictures } = choice
  const side = await sideOf(model)
  if (qat !== undefined) await sideOf(qat)
  const image = imageOptionsFor(preprocess, side)
  for (const path of qat === undefined ? [model] : [model, qat]) await checkImage(path, image)
  const files = await labelledFiles(data)
  const shifted = (list: typeof files.evaluation) =>
    list.map(({ path, label }) => ({ path, label: label + classOffset }))
  const [calibration, all] = [shifted(files.calibration), shifted(files.evaluation)]
  await checkClasses(model, all)
  const evaluation = evenly(all, mostPictures)
  return {
    label: `${basename(model)}, ${evaluation.length} pictures`,
    model,
    qat,
    image,
    calibration: { kind: 'files', files: calibration },
    evaluation: { kind: 'files', files: evaluation },
    reference: false,
  }
}

function referenceTask(count: number): AccuracyTask {
  return {
    label: `reference model, ${referenceClasses.length} classes, ${count} pictures`,
    model: referenceModels.fp32.path,
    qat: referenceModels.qat.path,
    image: referenceImage,
    calibration: { kind: 'reference', split: 'calibration', count: REFERENCE_CALIBRATION },
    evaluation: { kind: 'reference', split: 'evaluation', count },
    reference: true,
  }
}

/** Side of the pictures that the classifier takes. */
async function sideOf(path: string): Promise<number> {
  const { imageSize } = await loadModelFacts({ kind: 'file', path })
  if (imageSize !== undefined) return imageSize
  const { inputs, outputs } = describeModel(await readFile(path))
  const list = (values: readonly ValueDescription[]) =>
    values.map(({ name, dtype, shape }) => `${name}: ${dtype} [${shape.join(', ')}]`).join('; ')
  throw new ModelError('MODEL_UNSUPPORTED', {
    message: `Expected a classifier with one float32 input [N, 3, S, S] and scores [N, C] in '${path}', got ${list(inputs)} to ${list(outputs)}.`,
    remedy: 'Pass an image classifier; for other models, measure with quantize() and a metric of your own.',
    received: { inputs, outputs },
  })
}

async function checkImage(path: string, image: ImageOptions): Promise<void> {
  const { shape } = createImageDecoder(image)
  const [input] = describeModel(await readFile(path)).inputs
  const expected = input!.shape
  const fits = shape && expected.every((dim, axis) => axis === 0 || typeof dim === 'string' || dim === shape[axis])
  if (fits) return
  throw new ConfigError('CONFIG_INVALID', {
    message: `Expected --preprocess to give pictures of [${expected.join(', ')}], which '${path}' takes, got ${shape ? `[${shape.join(', ')}]` : 'sizes that differ from picture to picture'}.`,
    remedy: 'Correct `resize`, `crop` or `letterbox` and `layout`.',
    expected,
    received: shape,
  })
}

async function checkClasses(path: string, files: readonly { readonly path: string; readonly label: number }[]) {
  const [output] = describeModel(await readFile(path)).outputs
  const classes = output!.shape[1]
  if (typeof classes !== 'number') return
  const beyond = files.find(({ label }) => label >= classes)
  if (!beyond) return
  throw new InputError('INVALID_ARGUMENT', {
    message: `Expected classes from 0 to ${classes - 1}, of which '${path}' gives scores, got ${beyond.label} for '${beyond.path}'.`,
    remedy: 'Number the classes as the model does; --class-offset shifts all of them.',
    expected: classes,
    received: beyond.label,
  })
}
