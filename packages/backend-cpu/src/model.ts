import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type CompileOptions,
  type FileStamp,
  ModelError,
  type ModelSource,
  type Precision,
  readModel,
} from '@lowlat/core'
import {
  decodeModel,
  describeModel,
  encodeModel,
  externalFiles,
  type ModelDescription,
  type ModelProto,
} from '@lowlat/onnx'
import { checkOutputName, checkType } from './ort-types.ts'

interface PreparedModel {
  readonly path: string
  /** Files beside the model that hold weights. */
  readonly dependencies: readonly FileStamp[]
}

/**
 * Checks a model before it goes to ONNX Runtime, whose own messages name neither the fault nor the remedy. A model that
 * came as bytes, or has to be changed, is written to `workFolder`.
 * @throws ModelError MODEL_NOT_FOUND, MODEL_INVALID, MODEL_UNSUPPORTED or PRECISION_UNAVAILABLE.
 */
export async function prepareModel(
  model: ModelSource,
  { precision, workFolder }: Pick<CompileOptions, 'precision' | 'workFolder'>,
): Promise<PreparedModel> {
  const bytes = await readModel(model)
  const message = decodeModel(bytes)
  const description = describeModel(bytes)
  for (const { name, dtype } of [...description.inputs, ...description.outputs]) checkType(name, dtype)
  for (const { name } of description.outputs) checkOutputName(name)
  checkPrecision(description, precision)
  const dependencies = await externalFiles(message, model)
  const constant = withConstantWeights(message)
  // Weights in files of their own are found beside the model's path, so such a model stays where it is.
  if (model.kind === 'file' && (constant === message || dependencies.length > 0))
    return { path: model.path, dependencies }
  const path = join(workFolder, 'model.onnx')
  await writeFile(path, constant === message ? bytes : encodeModel(constant))
  return { path, dependencies }
}

function checkPrecision({ quantized, floatPrecision }: ModelDescription, precision: Precision): void {
  if (precision === 'model') return
  const actual = quantized ? 'int8' : floatPrecision === 'float16' ? 'fp16' : 'fp32'
  if (actual === precision) return
  throw new ModelError('PRECISION_UNAVAILABLE', {
    message: `Expected ${precision}, but the model is ${actual}, and the CPU backend runs a model as it is.`,
    remedy:
      precision === 'int8'
        ? "Quantize the model first (an ONNX file with Q/DQ nodes), or use precision: 'model'."
        : `Pass the ${precision} export of the model, or use precision: 'model'.`,
    expected: precision,
    received: actual,
  })
}

/**
 * Exporters before IR version 4 list weights among the inputs, where a run may replace them. ONNX Runtime then can
 * neither fold nor prepack them. Sessions never feed them, so they become constants.
 */
function withConstantWeights(model: ModelProto): ModelProto {
  const { graph } = model
  const weights = new Set(graph?.initializer?.map(({ name }) => name))
  const input = graph?.input?.filter(({ name }) => !weights.has(name))
  if (!graph || !input || input.length === graph.input?.length) return model
  // From IR version 4 on an initializer need not be an input.
  const irVersion = model.irVersion !== undefined && model.irVersion < 4n ? 4n : model.irVersion
  return { ...model, ...(irVersion !== undefined && { irVersion }), graph: { ...graph, input } }
}
