import { type FileStamp, ModelError, type ModelSource, type Precision, readModel } from '@lowlat/core'
import {
  checkInputRanks,
  decodeModel,
  describeModel,
  externalFiles,
  type Graph,
  graphFromFile,
  graphFromModel,
  type ModelDescription,
} from '@lowlat/onnx'

interface GraphSource {
  readonly graph: Graph
  readonly description: ModelDescription
  /** Files beside the model that hold weights. */
  readonly dependencies: readonly FileStamp[]
}

/**
 * Reads a model for compiling, with all its weights.
 * @throws ModelError MODEL_NOT_FOUND, MODEL_INVALID, MODEL_UNSUPPORTED or PRECISION_UNAVAILABLE.
 */
export async function readGraph(source: ModelSource, precision: Precision): Promise<GraphSource> {
  const bytes = await readModel(source)
  const description = describeModel(bytes)
  checkPrecision(description, precision)
  checkInputRanks(description)
  const model = decodeModel(bytes)
  const dependencies = await externalFiles(model, source)
  const isWhole = source.kind === 'bytes' || dependencies.length === 0
  return { graph: isWhole ? graphFromModel(model) : await graphFromFile(source.path), description, dependencies }
}

/** Float models run in either float precision; INT8 is for models that say how they are quantized. */
function checkPrecision({ quantized, floatPrecision }: ModelDescription, precision: Precision): void {
  if (precision !== 'int8' || quantized) return
  const actual = floatPrecision === 'float16' ? 'fp16' : 'fp32'
  throw new ModelError('PRECISION_UNAVAILABLE', {
    message: `Expected int8, but the model is ${actual}, and the CUDA backend does not quantize.`,
    remedy: "Quantize the model first (an ONNX file with Q/DQ nodes), or use precision: 'fp16' or 'model'.",
    expected: precision,
    received: actual,
  })
}
