import { type FileHandle, open } from 'node:fs/promises'
import { basename } from 'node:path'
import { ModelError, messageOf, payloadFileName } from '@lowlat/core'

/*
 * A plan's file: the weights of the optimised model, each at a multiple of 64 bytes; then the model without them, an
 * ONNX file that refers to this very file for its weights; then a footer. ONNX Runtime maps the weights and uses them
 * in place. Its own .ort format can be mapped as well, but weights there start anywhere, and vector loads that straddle
 * cache lines cost 3 % of a ResNet-50's run (measured); copying them to aligned memory doubles the time of a load.
 */

const MAGIC = 0x314e4c504c574f4cn // 'LOWLPLN1', little-endian
const FOOTER_BYTES = 24 // magic, offset of the model, length of the model: 64 bits each

/** The end of a plan's file, whose model of `length` bytes starts at `offset`. */
export function footerOf(offset: number, length: number): Uint8Array {
  const footer = new DataView(new ArrayBuffer(FOOTER_BYTES))
  for (const [index, value] of [MAGIC, BigInt(offset), BigInt(length)].entries()) {
    footer.setBigUint64(index * 8, value, true)
  }
  return new Uint8Array(footer.buffer)
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
