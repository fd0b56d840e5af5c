import {
  type Feeds,
  type Fetches,
  feedList,
  monotonicUs,
  type NamedTensor,
  type RunOptions,
  type Tensor,
  type TensorInfo,
} from '@lowlat/core'
import type { InferenceSession } from 'onnxruntime-node'
import { loadError, runError } from './ort-errors.ts'
import { tensorOver } from './ort-types.ts'
import { OrtFailure, type OrtWorker } from './ort-worker.ts'
import type { PlanModel, WireTensor } from './protocol.ts'

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
  readonly #inputs: readonly TensorInfo[]
  readonly #spare: ArrayBuffer[] = []

  constructor(worker: OrtWorker, inputs: readonly TensorInfo[]) {
    this.#worker = worker
    this.#inputs = inputs
  }

  async run(
    feeds: Feeds,
    { outputs, timeline }: RunOptions,
    onComputed: (computeUs: number) => void,
  ): Promise<Fetches> {
    try {
      const startUs = monotonicUs()
      const wire = feedList(feeds, this.#inputs).map((feed) => this.#wireFrom(feed))
      timeline?.span('h2d', startUs, monotonicUs(), 'copy to the worker')
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

  #wireFrom({ name, tensor }: NamedTensor): WireTensor {
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

/** Runs in the calling thread, on the caller's memory; only shared memory is copied, which the library cannot take. */
export class InlineRunner implements Runner {
  readonly #ort: Ort
  readonly #session: InferenceSession

  readonly #inputs: readonly TensorInfo[]

  private constructor(ort: Ort, session: InferenceSession, inputs: readonly TensorInfo[]) {
    this.#ort = ort
    this.#session = session
    this.#inputs = inputs
  }

  /** @throws ModelError PLAN_INVALID; BackendError OUT_OF_MEMORY. */
  static async create(
    { bytes }: PlanModel,
    options: InferenceSession.SessionOptions,
    inputs: readonly TensorInfo[],
  ): Promise<InlineRunner> {
    const ort = await import('onnxruntime-node')
    try {
      return new InlineRunner(ort, await ort.InferenceSession.create(bytes, options), inputs)
    } catch (error) {
      throw loadError(error)
    }
  }

  async run(
    feeds: Feeds,
    { outputs, timeline }: RunOptions,
    onComputed: (computeUs: number) => void,
  ): Promise<Fetches> {
    try {
      const startUs = monotonicUs()
      const inputs: Record<string, InstanceType<Ort['Tensor']>> = Object.create(null) // one may be named '__proto__'
      for (const feed of feedList(feeds, this.#inputs)) inputs[feed.name] = this.#ortTensorFrom(feed)
      const results = await this.#session.run(inputs, outputs ?? this.#session.outputNames)
      const fetches: Record<string, Tensor> = {}
      for (const name in results) {
        const { type, dims, data } = results[name]!
        const { buffer, byteOffset, byteLength } = data as Exclude<typeof data, string[]>
        fetches[name] = tensorOver(name, type, dims, buffer, byteOffset, byteLength)
      }
      const endUs = monotonicUs()
      onComputed(endUs - startUs)
      timeline?.span('compute', startUs, endUs)
      return fetches
    } catch (error) {
      throw runError(error)
    }
  }

  #ortTensorFrom({ tensor }: NamedTensor): InstanceType<Ort['Tensor']> {
    const { dtype, shape, data } = tensor.data.buffer instanceof SharedArrayBuffer ? tensor.clone() : tensor
    return new this.#ort.Tensor(dtype as WireTensor['type'], data, shape)
  }

  release(): Promise<void> {
    return this.#session.release()
  }
}
