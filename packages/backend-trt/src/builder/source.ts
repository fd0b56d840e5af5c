import { join } from 'node:path'
import { type FileStamp, ModelError, type ModelSource, type Precision, readModel } from '@lowlat/core'
import {
  checkInputRanks,
  decodeModel,
  describeModel,
  externalFiles,
  float16FromGraph,
  type Graph,
  graphFromFile,
  graphFromModel,
  type ModelDescription,
  onnxFromGraph,
  saveGraph,
  type ValueDescription,
} from '@lowlat/onnx'
import type { ModelBytes } from '../native.ts'
import { dtypeToTensorRt } from '../tensorrt/dtypes.ts'

/** A model as TensorRT's parser is going to see it. */
export interface BuildSource {
  readonly model: ModelBytes
  readonly description: ModelDescription
  /** Files beside the model that hold weights. */
  readonly dependencies: readonly FileStamp[]
}

export interface SourceOptions {
  readonly precision: Precision
  /** Whether the types of the model are those of the engine. */
  readonly stronglyTyped: boolean
  /** Where a converted model with large weights may be written. */
  readonly folder: string
}

/**
 * Reads a model and checks it before TensorRT sees it; where float16 is asked of a float32 model for a strongly typed
 * network, converts it.
 * @throws ModelError MODEL_NOT_FOUND, MODEL_INVALID, MODEL_UNSUPPORTED or PRECISION_UNAVAILABLE.
 */
export async function readSource(source: ModelSource, options: SourceOptions): Promise<BuildSource> {
  const { precision, stronglyTyped, folder } = options
  const bytes = await readModel(source)
  const description = describeModel(bytes)
  checkPrecision(description, precision)
  checkInputRanks(description)
  for (const value of [...description.inputs, ...description.outputs]) checkType(value)
  const message = decodeModel(bytes)
  const dependencies = await externalFiles(message, source)
  const path = source.kind === 'file' && dependencies.length > 0 ? source.path : undefined
  const graph = graphFromModel(message) // refuses what refers to nothing
  const isConverted = precision === 'fp16' && stronglyTyped && description.floatPrecision === 'float32'
  const model = isConverted ? await convert(path ? await graphFromFile(path) : graph, path && folder) : undefined
  return { model: model ?? (path ? { path } : { bytes }), description, dependencies }
}

/** Weights that lay beside the model may be too many for one message of ONNX. */
async function convert(source: Graph, folder: string | undefined): Promise<ModelBytes> {
  const { graph } = float16FromGraph(source)
  if (folder === undefined) return { bytes: onnxFromGraph(graph) }
  const path = join(folder, 'float16.onnx')
  await saveGraph(graph, path, { externalData: { fileName: 'float16.weights' } })
  return { path }
}

/** Float models can become narrower; INT8 is for models that say how they are quantized. */
function checkPrecision({ quantized, floatPrecision }: ModelDescription, precision: Precision): void {
  const actual = floatPrecision === 'float16' ? 'fp16' : floatPrecision === 'bfloat16' ? 'bf16' : 'fp32'
  if (precision === 'int8' && !quantized) {
    throw new ModelError('PRECISION_UNAVAILABLE', {
      message: `Expected int8, but the model is ${actual}, and TensorRT takes its scales from Q/DQ nodes.`,
      remedy: "Quantize the model first (@lowlat/quantize writes Q/DQ nodes), or use precision: 'fp16' or 'model'.",
      expected: precision,
      received: actual,
    })
  }
  if (precision === 'fp16' && actual === 'bf16') {
    throw new ModelError('PRECISION_UNAVAILABLE', {
      message: 'Expected fp16, but the model is bf16, and only float32 models are converted.',
      remedy: "Use precision: 'model', or export the model in float32 or float16.",
      expected: precision,
      received: actual,
    })
  }
  if (precision === 'fp32' && actual !== 'fp32') {
    throw new ModelError('PRECISION_UNAVAILABLE', {
      message: `Expected fp32, but the model is ${actual}, and engines compute in the model's types.`,
      remedy: "Use precision: 'model', or export the model in float32.",
      expected: precision,
      received: actual,
    })
  }
}

function checkType({ name, dtype }: ValueDescription): void {
  if (dtypeToTensorRt.has(dtype)) return
  const known = [...dtypeToTensorRt.keys()]
  throw new ModelError('MODEL_UNSUPPORTED', {
    message: `TensorRT takes no ${dtype} as the input or output of an engine, and '${name}' is one.`,
    remedy: `Cast it in the model to one of ${known.join(', ')}, or use the backend 'cpu'.`,
    expected: known,
    received: dtype,
    details: { name },
  })
}
