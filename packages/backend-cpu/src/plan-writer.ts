import { type FileHandle, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelError, payloadFileName } from '@lowlat/core'
import { decodeModel, encodeModel, type GraphProto, type TensorProto } from '@lowlat/onnx'
import { type IntegerUnits, tuneIntegerConvolutions } from './integer-convolutions.ts'
import { mapInnerGraphs } from './map-graphs.ts'
import { footerOf } from './plan-file.ts'

/** A cache line, and the widest vector. */
const ALIGNMENT = 64
/** Smaller tensors stay in the model: shapes and scalars, which the library wants to see while it builds the graph. */
const SMALLEST_WEIGHT = 1024
/** Integers that long are sizes (of Split and the like) as well, and the library does not read those from elsewhere. */
const SMALLEST_INTEGERS = 1 << 16
const INT64 = 7 // TensorProto.DataType
const EXTERNAL = 1 // TensorProto.DataLocation
const COPY_BYTES = 1 << 23

interface PlanSources {
  /** The optimised model. */
  readonly optimizedPath: string
  /** Where the model that it was made from lies: weights that it kept in other files are still there. */
  readonly modelFolder: string
  /** Of the processor that the plan is for. */
  readonly units: IntegerUnits
}

/**
 * Writes a plan's file to `path`, which must be named as payloads are. The weights of the graphs inside `If`, `Loop` and
 * `Scan` stay in the model: the library opens their file by its path and refuses hard links, which the plan cache makes.
 */
export async function writePlanFile({ optimizedPath, modelFolder, units }: PlanSources, path: string): Promise<void> {
  const optimized = decodeModel(await readFile(optimizedPath))
  const { graph = {}, ...model } = tuneIntegerConvolutions(optimized, units)
  const file = await open(path, 'wx')
  try {
    let end = 0
    const place = async (tensor: TensorProto): Promise<TensorProto> => {
      const { rawData, externalData: elsewhere, ...rest } = tensor
      const smallest = tensor.dataType === INT64 ? SMALLEST_INTEGERS : SMALLEST_WEIGHT
      if (!isExternal(tensor) && (rawData === undefined || rawData.byteLength < smallest)) return tensor
      const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT
      end = offset
      for await (const chunk of isExternal(tensor) ? chunksOf(modelFolder, elsewhere) : [rawData!]) {
        await writeAll(file, chunk, end)
        end += chunk.byteLength
      }
      const externalData = [
        { key: 'location', value: payloadFileName },
        { key: 'offset', value: String(offset) },
        { key: 'length', value: String(end - offset) },
      ]
      return { ...rest, dataLocation: EXTERNAL, externalData }
    }
    const inline = async (tensor: TensorProto): Promise<TensorProto> => {
      if (!isExternal(tensor)) return tensor
      const { externalData: elsewhere, dataLocation: _, ...rest } = tensor
      const chunks: Uint8Array[] = []
      for await (const chunk of chunksOf(modelFolder, elsewhere)) chunks.push(chunk)
      return { ...rest, rawData: Buffer.concat(chunks) }
    }
    const outer = await mapInnerGraphs(graph, (inner) => mapWeights(inner, inline))
    const bytes = encodeModel({ ...model, graph: await mapWeights(outer, place) })
    await writeAll(file, bytes, end)
    await writeAll(file, footerOf(end, bytes.byteLength), end + bytes.byteLength)
  } finally {
    await file.close()
  }
}

function isExternal({ dataLocation }: TensorProto): boolean {
  return dataLocation === EXTERNAL
}

async function mapWeights(
  graph: GraphProto,
  change: (tensor: TensorProto) => Promise<TensorProto>,
): Promise<GraphProto> {
  const initializer: TensorProto[] = []
  for (const tensor of graph.initializer ?? []) initializer.push(await change(tensor))
  return { ...graph, initializer }
}

/** The bytes of weights, in the file that `entries` name. */
async function* chunksOf(folder: string, entries: TensorProto['externalData'] = []): AsyncGenerator<Uint8Array> {
  const fields = new Map(entries.map(({ key, value }) => [key, value]))
  const source = await open(join(folder, fields.get('location') ?? ''))
  try {
    const start = Number(fields.get('offset') ?? 0)
    const end = fields.has('length') ? start + Number(fields.get('length')) : (await source.stat()).size
    for (let at = start; at < end; ) {
      const chunk = new Uint8Array(Math.min(end - at, COPY_BYTES))
      const { bytesRead } = await source.read(chunk, 0, chunk.byteLength, at)
      if (bytesRead === 0) throw shortWeights(fields.get('location'), end, at)
      yield chunk.subarray(0, bytesRead)
      at += bytesRead
    }
  } finally {
    await source.close()
  }
}

function shortWeights(file: string | undefined, expected: number, received: number): ModelError {
  return new ModelError('MODEL_INVALID', {
    message: `Expected at least ${expected} bytes of weights in '${file}', got ${received}.`,
    remedy: 'Copy or export the model again, with all files beside it.',
    expected,
    received,
  })
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.byteLength - done, position + done)
    done += bytesWritten
  }
}
