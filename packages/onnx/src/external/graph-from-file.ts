import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { allocate, InputError, modelSourceFrom, readModel, stampOf } from '@lowlat/core'
import { invalidModel } from '../codec/errors.ts'
import type { ModelProto, TensorProto } from '../codec/messages.ts'
import { decodeModel } from '../codec/model.ts'
import { graphFromModel } from '../graph/from-onnx.ts'
import type { Graph } from '../graph/graph.ts'
import { Initializer } from '../graph/initializer.ts'
import { isExternal, nameOf } from '../graph/tensor-data.ts'
import { externalPath } from './location.ts'
import { mapTensors } from './map-tensors.ts'

const MAX_MODEL_BYTES = 2 ** 31 - 1

/**
 * The graph of an ONNX file and of the files beside it that hold weights (external data). All weights are in memory
 * afterwards, those of other files in memory of their own, and nothing refers to the files any more. Of those only the
 * ranges that the model names are read.
 * @throws ModelError MODEL_NOT_FOUND where a file is missing; MODEL_INVALID for bytes that are not ONNX, for external
 * data outside the model's folder, and for ranges that do not fit the file or the tensor; InputError INVALID_ARGUMENT
 * for anything but a path or a file URL.
 */
export async function graphFromFile(path: string | URL): Promise<Graph> {
  const source = await modelSourceFrom(path)
  if (source.kind !== 'file') throw noPath(path)
  await checkSize(source.path)
  const model = decodeModel(await readModel(source))
  return graphFromModel(await readExternalData(model, dirname(source.path)))
}

async function checkSize(path: string): Promise<void> {
  const { sizeBytes } = await stampOf(path)
  // Also the most that Node.js reads at once.
  if (sizeBytes <= MAX_MODEL_BYTES) return
  throw invalidModel(
    `Expected at most ${MAX_MODEL_BYTES} bytes, which is protobuf's limit for a file, got ${sizeBytes}.`,
  )
}

function noPath(received: unknown): InputError {
  return new InputError('INVALID_ARGUMENT', {
    message: 'Expected the path or the file URL of a model, got bytes.',
    remedy: 'graphFromOnnx(bytes) takes models in one piece.',
    received,
  })
}

interface Range {
  readonly location: string
  readonly offset: number
  readonly length: number
}

async function readExternalData(model: ModelProto, folder: string): Promise<ModelProto> {
  const ranges = new Map<TensorProto, Range>()
  const collect = (tensor: TensorProto) => {
    if (isExternal(tensor)) ranges.set(tensor, rangeOf(tensor))
    return tensor
  }
  mapTensors(model, { initializer: collect, other: collect })
  const contents = new Map<Range, Uint8Array>()
  for (const [path, group] of await groupByFile(folder, [...ranges.values()])) await readRanges(path, group, contents)
  const inline = (tensor: TensorProto): TensorProto => {
    const range = ranges.get(tensor)
    if (!range) return tensor
    const { dataLocation: _, externalData: __, ...rest } = tensor
    return { ...rest, rawData: contents.get(range)! }
  }
  return ranges.size === 0 ? model : mapTensors(model, { initializer: inline, other: inline })
}

/** By the path that a location leads to: one file may go by many locations. */
async function groupByFile(folder: string, ranges: readonly Range[]): Promise<Map<string, Range[]>> {
  const paths = new Map<string, string>()
  const groups = new Map<string, Range[]>()
  for (const range of ranges) {
    const path = paths.get(range.location) ?? (await externalPath(folder, range.location))
    paths.set(range.location, path)
    const group = groups.get(path)
    if (group) group.push(range)
    else groups.set(path, [range])
  }
  return groups
}

/** Where the elements are; the length may be left out, since type and shape say it. */
function rangeOf(tensor: TensorProto): Range {
  const fields = new Map(tensor.externalData?.map(({ key, value }) => [key, value ?? '']))
  const { byteLength } = Initializer.fromMessage(tensor)
  const offset = wholeNumber(tensor, 'offset', fields.get('offset') ?? '0')
  const length = wholeNumber(tensor, 'length', fields.get('length') ?? String(byteLength))
  if (length !== (byteLength ?? length)) {
    throw invalidModel(
      `Expected ${byteLength} bytes of external data for ${nameOf(tensor)}, got a length of ${length}.`,
    )
  }
  return { location: fields.get('location') ?? '', offset, length }
}

function wholeNumber(tensor: TensorProto, field: string, text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(value)) return value
  throw invalidModel(
    `Expected a whole number as the ${field} of the external data of ${nameOf(tensor)}, got '${text}'.`,
  )
}

async function readRanges(path: string, ranges: readonly Range[], contents: Map<Range, Uint8Array>): Promise<void> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const shared = new Map<string, Uint8Array>()
    let total = 0
    for (const range of ranges) {
      const { location, offset, length } = range
      if (offset + length > size) throw shortFile(range, size)
      const known = shared.get(`${offset}:${length}`)
      total += known ? 0 : length
      // No writer lets tensors overlap, but a small file could claim any amount of memory so.
      if (total > size) throw invalidModel(`Expected ranges of '${location}' that do not overlap.`, { location })
      const bytes = known ?? (await readRange(file, range, size))
      shared.set(`${offset}:${length}`, bytes)
      contents.set(range, bytes)
    }
  } finally {
    await file.close()
  }
}

async function readRange(file: FileHandle, range: Range, size: number): Promise<Uint8Array> {
  const bytes = allocate('uint8', range.length)
  for (let done = 0; done < range.length; ) {
    const { bytesRead } = await file.read(bytes, done, Math.min(range.length - done, 1 << 30), range.offset + done)
    if (bytesRead === 0) throw shortFile(range, size)
    done += bytesRead
  }
  return bytes
}

function shortFile({ location, offset, length }: Range, size: number): Error {
  return invalidModel(`Expected at least ${offset + length} bytes of external data in '${location}', got ${size}.`, {
    location,
  })
}
