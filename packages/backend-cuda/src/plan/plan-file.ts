import { open } from 'node:fs/promises'
import { messageOf, type PlanPayload } from '@lowlat/core'
import { type Graph, graphFromOnnx } from '@lowlat/onnx'
import { Checksum } from './checksum.ts'
import { checkFacts, invalidPlan, type PlanFacts, type PlanHeader, readHeader } from './header.ts'

/** Where a plan's bytes come from. */
interface Source {
  readonly sizeBytes: number
  /** Fills `into` from `offset` on; returns how many bytes there were. */
  read(into: Uint8Array, offset: number): Promise<number>
  close(): Promise<void>
}

/** An open plan: its header was checked, its weights are read piece by piece. */
export class PlanFile implements AsyncDisposable {
  readonly header: PlanHeader
  readonly #source: Source
  readonly #start: number

  private constructor(source: Source, header: PlanHeader, start: number) {
    this.#source = source
    this.header = header
    this.#start = start
  }

  /** @throws ModelError PLAN_INVALID; PLAN_STALE for a plan that was made for something else than `facts`. */
  static async open(payload: PlanPayload, facts: PlanFacts): Promise<PlanFile> {
    const source = payload.kind === 'bytes' ? sourceOfBytes(payload.bytes) : await sourceOfFile(payload.path)
    try {
      const read = async (offset: number, sizeBytes: number) => {
        const bytes = new Uint8Array(Math.min(sizeBytes, Math.max(0, source.sizeBytes - offset)))
        return bytes.subarray(0, await source.read(bytes, offset))
      }
      const { header, start } = await readHeader(read, source.sizeBytes)
      checkFacts(header.facts, facts)
      return new PlanFile(source, header, start)
    } catch (error) {
      await source.close()
      throw error
    }
  }

  /** The optimised model; its large weights cannot be read. @throws ModelError PLAN_INVALID. */
  async readGraph(): Promise<Graph> {
    const { offset, sizeBytes, checksum } = this.header.model
    const bytes = new Uint8Array(sizeBytes)
    await this.#fill(bytes, offset)
    if (new Checksum().update(bytes).value !== checksum) throw invalidPlan('its model fails its checksum')
    return graphFromOnnx(bytes)
  }

  /**
   * Reads the packed weights from start to end.
   * @param next memory for the next piece, of a multiple of 4 bytes, which may be larger than what is left.
   * @param done called when a piece is there: its bytes and where they start.
   * @throws ModelError PLAN_INVALID, at the end where the checksum does not match; whatever the callbacks throw.
   */
  async readWeights(
    next: () => Promise<Uint8Array> | Uint8Array,
    done: (piece: Uint8Array, offset: number) => void,
  ): Promise<void> {
    const { offset, sizeBytes, checksum } = this.header.weights
    const sum = new Checksum()
    for (let at = 0; at < sizeBytes; ) {
      const memory = await next()
      const piece = memory.subarray(0, Math.min(memory.byteLength, sizeBytes - at))
      await this.#fill(piece, offset + at)
      sum.update(piece)
      done(piece, at)
      at += piece.byteLength
    }
    if (sum.value !== checksum) throw invalidPlan('its weights fail their checksum')
  }

  async #fill(bytes: Uint8Array, offset: number): Promise<void> {
    for (let done = 0; done < bytes.byteLength; ) {
      const count = await this.#source.read(bytes.subarray(done), this.#start + offset + done)
      if (count === 0) throw invalidPlan(`it ends after ${this.#start + offset + done} bytes`)
      done += count
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#source.close()
  }
}

function sourceOfBytes(bytes: Uint8Array): Source {
  return {
    sizeBytes: bytes.byteLength,
    async read(into, offset) {
      const part = bytes.subarray(offset, offset + into.byteLength)
      into.set(part)
      return part.byteLength
    },
    close: async () => {},
  }
}

async function sourceOfFile(path: string): Promise<Source> {
  try {
    const file = await open(path)
    const { size } = await file.stat()
    return {
      sizeBytes: size,
      async read(into, offset) {
        const { bytesRead } = await file.read(into, 0, into.byteLength, offset)
        return bytesRead
      },
      close: () => file.close(),
    }
  } catch (cause) {
    throw invalidPlan(`it cannot be read (${messageOf(cause)})`, cause)
  }
}
