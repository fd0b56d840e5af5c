import { type FileHandle, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelError, payloadFileName } from '@lowlat/core'
import { decodeModel, encodeModel, type GraphProto, type TensorProto } from '@lowlat/onnx'
import { mapGraphs } from './map-graphs.ts'
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
}

/** Writes a plan's file to `path`, which must be named as payloads are. */
export async function writePlanFile({ optimizedPath, modelFolder }: PlanSources, path: string): Promise<void> {
  const model = decodeModel(await readFile(optimizedPath))
  const file = await open(path, 'wx')
  try {
    let end = 0
    const place = async (tensor: TensorProto): Promise<TensorProto> => {
      const { rawData, externalData: elsewhere = [], ...rest } = tensor
      const external = tensor.dataLocation === EXTERNAL
      const smallest = tensor.dataType === INT64 ? SMALLEST_INTEGERS : SMALLEST_WEIGHT
      if (!external && (rawData === undefined || rawData.byteLength < smallest)) return tensor
      const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT
      const length = external ? await copyFrom(modelFolder, elsewhere, file, offset) : rawData!.byteLength
      if (!external) await writeAll(file, rawData!, offset)
      end = offset + length
      const externalData = [
        { key: 'location', value: payloadFileName },
        { key: 'offset', value: String(offset) },
        { key: 'length', value: String(length) },
      ]
      return { ...rest, dataLocation: EXTERNAL, externalData }
    }
    const placeAll = async (graph: GraphProto): Promise<GraphProto> => {
      const initializer: TensorProto[] = []
      for (const tensor of graph.initializer ?? []) initializer.push(await place(tensor))
      return { ...graph, initializer }
    }
    const graph = encodeModel({ ...model, graph: await mapGraphs(model.graph ?? {}, placeAll) })
    await writeAll(file, graph, end)
    await writeAll(file, footerOf(end, graph.byteLength), end + graph.byteLength)
  } finally {
    await file.close()
  }
}

/** Copies weights out of the file that `entries` (TensorProto.external_data) name. Returns their number of bytes. */
async function copyFrom(
  folder: string,
  entries: NonNullable<TensorProto['externalData']>,
  target: FileHandle,
  position: number,
): Promise<number> {
  const fields = new Map(entries.map(({ key, value }) => [key, value]))
  const source = await open(join(folder, fields.get('location') ?? ''))
  try {
    const start = Number(fields.get('offset') ?? 0)
    const length = Number(fields.get('length') ?? (await source.stat()).size - start)
    const chunk = new Uint8Array(Math.min(length, COPY_BYTES))
    for (let done = 0; done < length; ) {
      const { bytesRead } = await source.read(chunk, 0, Math.min(chunk.byteLength, length - done), start + done)
      if (bytesRead === 0) throw shortWeights(fields.get('location'), start + length, start + done)
      await writeAll(target, chunk.subarray(0, bytesRead), position + done)
      done += bytesRead
    }
    return length
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
