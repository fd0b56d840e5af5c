import { type FileHandle, open, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { ModelError, messageOf, payloadFileName } from '@lowlat/core'
import { decodeModel, encodeModel, type GraphProto, type TensorProto } from '@lowlat/onnx'

/*
 * A plan's file: the weights of the optimised model, each at a multiple of 64 bytes; then the model without them, an
 * ONNX file that refers to this very file for its weights; then a footer. ONNX Runtime maps the weights and uses them
 * in place. Its own .ort format can be mapped as well, but weights there start anywhere, and vector loads that straddle
 * cache lines cost 3 % of a ResNet-50's run (measured); copying them to aligned memory doubles the time of a load.
 */

/** A cache line, and the widest vector. */
const ALIGNMENT = 64
/** Smaller tensors stay in the model: shapes and scalars, which the library wants to see while it builds the graph. */
const SMALLEST_WEIGHT = 1024
const EXTERNAL = 1 // TensorProto.DataLocation
const COPY_BYTES = 1 << 23

const MAGIC = 0x314e4c504c574f4cn // 'LOWLPLN1', little-endian
const FOOTER_BYTES = 24 // magic, offset of the model, length of the model: 64 bits each

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
      if (!external && (rawData === undefined || rawData.byteLength < SMALLEST_WEIGHT)) return tensor
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
    const graph = encodeModel({ ...model, graph: await mapTensors(model.graph ?? {}, place) })
    await writeAll(file, graph, end)
    const footer = new DataView(new ArrayBuffer(FOOTER_BYTES))
    for (const [index, value] of [MAGIC, BigInt(end), BigInt(graph.byteLength)].entries()) {
      footer.setBigUint64(index * 8, value, true)
    }
    await writeAll(file, new Uint8Array(footer.buffer), end + graph.byteLength)
  } finally {
    await file.close()
  }
}

/** The graph with its weights replaced, one after the other, and those of the graphs inside it: branches, loop bodies. */
async function mapTensors(
  graph: GraphProto,
  replace: (tensor: TensorProto) => Promise<TensorProto>,
): Promise<GraphProto> {
  const inner = (body: GraphProto) => mapTensors(body, replace)
  const node = await mapInTurn(graph.node ?? [], async (outer) => {
    if (!outer.attribute?.some(({ g, graphs }) => g || graphs)) return outer
    const attribute = await mapInTurn(outer.attribute, async ({ g, graphs, ...rest }) => ({
      ...rest,
      ...(g && { g: await inner(g) }),
      ...(graphs && { graphs: await mapInTurn(graphs, inner) }),
    }))
    return { ...outer, attribute }
  })
  return { ...graph, initializer: await mapInTurn(graph.initializer ?? [], replace), node }
}

async function mapInTurn<T>(items: readonly T[], map: (item: T) => Promise<T>): Promise<T[]> {
  const mapped: T[] = []
  for (const item of items) mapped.push(await map(item))
  return mapped
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

/**
 * The model in a plan's file, without its weights: an ONNX file that refers to `payload` in the same folder.
 * @throws ModelError PLAN_INVALID.
 */
export async function readPlanModel(path: string): Promise<Uint8Array> {
  if (basename(path) !== payloadFileName) throw invalid(`it is named '${basename(path)}', not '${payloadFileName}'`)
  let file: FileHandle | undefined
  try {
    file = await open(path)
    const { size } = await file.stat()
    if (size < FOOTER_BYTES) throw invalid(`it has ${size} bytes`)
    const footer = new DataView(new ArrayBuffer(FOOTER_BYTES))
    await file.read(footer, 0, FOOTER_BYTES, size - FOOTER_BYTES)
    const [magic, offset, length] = [0, 8, 16].map((at) => footer.getBigUint64(at, true)) as [bigint, bigint, bigint]
    if (magic !== MAGIC) throw invalid('its end is not that of a plan')
    if (offset + length + BigInt(FOOTER_BYTES) !== BigInt(size)) throw invalid(`it has ${size} bytes`)
    const model = new Uint8Array(Number(length))
    const { bytesRead } = await file.read(model, 0, model.byteLength, Number(offset))
    if (bytesRead !== model.byteLength) throw invalid(`it ends after ${offset + BigInt(bytesRead)} bytes`)
    return model
  } catch (error) {
    if (error instanceof ModelError) throw error
    throw invalid(messageOf(error), error)
  } finally {
    await file?.close()
  }
}

function invalid(why: string, cause?: unknown): ModelError {
  return new ModelError('PLAN_INVALID', {
    message: `Expected the file of a compiled plan, but ${why}.`,
    remedy: 'Compile the model again.',
    cause,
  })
}
