import { basename, dirname, join } from 'node:path'
import { InputError, isDType, ModelError } from '@lowlat/core'
import { externalDataLocation } from '../codec/constants.ts'
import { encodePieces } from '../codec/encode.ts'
import type { ModelProto, TensorProto } from '../codec/messages.ts'
import type { Graph } from '../graph/graph.ts'
import { Initializer } from '../graph/initializer.ts'
import { isExternal, nameOf } from '../graph/tensor-data.ts'
import { modelFromGraph } from '../graph/to-onnx.ts'
import { mapTensors } from './map-tensors.ts'
import { type NewFile, replaceFiles, writeAt } from './replace-files.ts'

export interface SaveOptions {
  /** Keep weights in a file beside the model, which models above 2 GiB need. Default: all in one file. */
  readonly externalData?: {
    /** Name of that file, without a folder. */
    readonly fileName: string
    /** Smaller tensors stay in the model. Default 1024. */
    readonly thresholdBytes?: number
  }
}

/** A cache line, and the widest vector. */
const ALIGNMENT = 64
/** A page, where that costs little: large weights can be mapped alone. onnx's own writer draws the line at 1 MiB too. */
const PAGE = 4096
const LARGE_BYTES = 1 << 20

/**
 * Writes the graph to a file, and weights to one beside it where that is asked for, each at a multiple of 64 bytes (large
 * ones of 4096). Files appear when they are complete, the weights before the model; whoever reads in the moment between
 * finds the old model with the new weights. Weights go from where they are to the disk, without another copy of them all.
 * @throws ModelError MODEL_UNSUPPORTED beyond 2 GiB without external data, and for weights that are still in another file
 * (`graphFromFile` reads them); InputError INVALID_ARGUMENT; and what the file system throws.
 */
export async function saveGraph(graph: Graph, path: string, options: SaveOptions = {}): Promise<void> {
  const { externalData } = options
  const files: NewFile[] = []
  let model = modelFromGraph(graph)
  mapTensors(model, { initializer: requireLocal, other: requireLocal })
  if (externalData) {
    const { fileName, thresholdBytes = 1024 } = externalData
    if (fileName !== basename(fileName) || ['', '.', '..', basename(path)].includes(fileName)) throw badName(fileName)
    const moved = moveWeights(model, fileName, thresholdBytes)
    model = moved.model
    if (moved.weights.length > 0) {
      files.push({ path: join(dirname(path), fileName), write: (file) => writeWeights(file, moved.weights) })
    }
  }
  const { list } = encodePieces('ModelProto', model)
  files.push({ path, write: (file) => writeAll(file, list) })
  await replaceFiles(files)
}

type File = Parameters<NewFile['write']>[0]

async function writeAll(file: File, pieces: readonly Uint8Array[]): Promise<void> {
  let at = 0
  for (const piece of pieces) {
    await writeAt(file, piece, at)
    at += piece.byteLength
  }
}

interface Weight {
  readonly tensor: TensorProto
  readonly offset: number
}

async function writeWeights(file: File, weights: readonly Weight[]): Promise<void> {
  for (const { tensor, offset } of weights) await writeAt(file, Initializer.fromMessage(tensor).tensor.bytes, offset)
}

function moveWeights(model: ModelProto, fileName: string, threshold: number): { model: ModelProto; weights: Weight[] } {
  const weights: Weight[] = []
  let end = 0
  const move = (tensor: TensorProto): TensorProto => {
    const { elementType, byteLength } = Initializer.fromMessage(tensor)
    if (!isDType(elementType) || byteLength === undefined || byteLength < Math.max(1, threshold)) return tensor
    const alignment = byteLength >= LARGE_BYTES ? PAGE : ALIGNMENT
    const offset = Math.ceil(end / alignment) * alignment
    weights.push({ tensor, offset })
    end = offset + byteLength
    const externalData = [
      { key: 'location', value: fileName },
      { key: 'offset', value: String(offset) },
      { key: 'length', value: String(byteLength) },
    ]
    return { ...withoutData(tensor), dataLocation: externalDataLocation, externalData }
  }
  return { model: mapTensors(model, { initializer: move }), weights }
}

function withoutData(tensor: TensorProto): TensorProto {
  const rest = { ...tensor }
  for (const field of ['rawData', 'floatData', 'doubleData', 'int32Data', 'int64Data', 'uint64Data'] as const) {
    delete rest[field]
  }
  return rest
}

function requireLocal(tensor: TensorProto): TensorProto {
  if (!isExternal(tensor)) return tensor
  throw new ModelError('MODEL_UNSUPPORTED', {
    message: `Expected weights in memory, but the data of ${nameOf(tensor)} is in another file.`,
    remedy: 'Load the model with graphFromFile(path), which reads them.',
  })
}

function badName(received: string): InputError {
  return new InputError('INVALID_ARGUMENT', {
    message: `Expected the name of a file beside the model, other than the model's own, got '${received}'.`,
    remedy: "Pass a name without a folder, for example 'model.weights'.",
    received,
  })
}
