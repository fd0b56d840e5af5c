import { type Feeds, type Fetches, monotonicUs, type RunOptions, type Tensor } from '@lowlat/core'
import type { InferenceSession } from 'onnxruntime-node'
import { runError } from './ort-errors.ts'
import { tensorOver } from './ort-types.ts'
import { OrtFailure, type OrtWorker } from './ort-worker.ts'
import type { OrtModel, WireTensor } from './protocol.ts'

/** Where runs happen: in a worker thread or in the calling one. */
export interface Runner {
  /** Runs once; reports the time in the library through `onComputed`. */
  run(feeds: Feeds, options: RunOptions, onComputed: (computeUs: number) => void): Promise<Fetches>
}

/**
 * Runs in a worker. Feeds are copied once, into buffers that travel to the worker and back and are reused, so that the
 * caller's memory is never detached and steady traffic allocates nothing for inputs.
 */
export class WorkerRunner implements Runner {
  readonly #worker: OrtWorker
  readonly #spare: ArrayBuffer[] = []

  constructor(worker: OrtWorker) {
    this.#worker = worker
  }

  async run(
    feeds: Feeds,
    { outputs, timeline }: RunOptions,
    onComputed: (computeUs: number) => void,
  ): Promise<Fetches> {
    const startUs = monotonicUs()
    const wire = Object.entries(feeds).map(([name, tensor]) => this.#wireFrom(name, tensor))
    timeline?.span('h2d', startUs, monotonicUs(), 'copy to the worker')
    try {
      const ran = await this.#worker.run({ kind: 'run', feeds: wire, outputs })
      const receivedUs = monotonicUs()
      this.#spare.push(...ran.buffers)
      onComputed(ran.endUs - ran.startUs)
      timeline?.span('compute', ran.startUs, ran.endUs)
      timeline?.span('d2h', ran.endUs, ran.sentUs, 'copy from the library')
      timeline?.span('eventLoop', ran.sentUs, receivedUs)
      return Object.fromEntries(
        ran.fetches.map(({ name, type, dims, buffer }) => [name, tensorOver(name, type, dims, buffer)]),
      )
    } catch (error) {
      if (error instanceof OrtFailure) this.#spare.push(...error.buffers)
      throw runError(error)
    }
  }

  #wireFrom(name: string, tensor: Tensor): WireTensor {
    const { byteLength } = tensor
    const index = this.#spare.findIndex((buffer) => buffer.byteLength === byteLength)
    const buffer = index >= 0 ? this.#spare.splice(index, 1)[0]! : this.#allocate(byteLength)
    new Uint8Array(buffer).set(tensor.bytes)
    return { name, type: tensor.dtype as WireTensor['type'], dims: tensor.shape, buffer }
  }

  /** A buffer of a new size means that the shapes changed: those of the old sizes are let go. */
  #allocate(byteLength: number): ArrayBuffer {
    this.#spare.length = 0
    return new ArrayBuffer(byteLength)
  }
}

type Ort = typeof import('onnxruntime-node')

/** Runs in the calling thread, on the caller's memory, without copies. */
export class InlineRunner implements Runner {
  readonly #ort: Ort
  readonly #session: InferenceSession

  private constructor(ort: Ort, session: InferenceSession) {
    this.#ort = ort
    this.#session = session
  }

  static async create(model: OrtModel, options: InferenceSession.SessionOptions): Promise<InlineRunner> {
    const ort = await import('onnxruntime-node')
    const { InferenceSession } = ort
    const session =
      'path' in model
        ? await InferenceSession.create(model.path, options)
        : await InferenceSession.create(model.bytes, options)
    return new InlineRunner(ort, session)
  }

  async run(
    feeds: Feeds,
    { outputs, timeline }: RunOptions,
    onComputed: (computeUs: number) => void,
  ): Promise<Fetches> {
    const startUs = monotonicUs()
    const inputs: Record<string, InstanceType<Ort['Tensor']>> = {}
    for (const name in feeds) {
      const tensor = feeds[name]!
      inputs[name] = new this.#ort.Tensor(tensor.dtype as WireTensor['type'], tensor.data, tensor.shape)
    }
    try {
      const results = await this.#session.run(inputs, outputs ?? this.#session.outputNames)
      const fetches: Record<string, Tensor> = {}
      for (const name in results) {
        const { type, dims, data } = results[name]!
        const view = data as Exclude<typeof data, string[]>
        fetches[name] = tensorOver(name, type, dims, view.buffer, view.byteOffset, view.byteLength)
      }
      const endUs = monotonicUs()
      onComputed(endUs - startUs)
      timeline?.span('compute', startUs, endUs)
      return fetches
    } catch (error) {
      throw runError(error)
    }
  }

  release(): Promise<void> {
    return this.#session.release()
  }
}
