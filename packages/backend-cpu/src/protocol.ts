/** Messages between the engine and its worker threads. Buffers named here are transferred, never shared. */
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'

/** The model of a plan, without its weights. */
export interface PlanModel {
  readonly bytes: Uint8Array
}

export type OrtModel = { readonly path: string } | PlanModel

/** A tensor on its way: the bytes from the start of `buffer`. */
export interface WireTensor {
  readonly name: string
  readonly type: OrtTensor.Type
  readonly dims: readonly number[]
  readonly buffer: ArrayBuffer
}

export type WorkerRequest =
  | { readonly kind: 'create'; readonly model: OrtModel; readonly options: InferenceSession.SessionOptions }
  | { readonly kind: 'run'; readonly feeds: readonly WireTensor[]; readonly outputs: readonly string[] | undefined }

export interface Created {
  readonly kind: 'created'
  readonly inputs: readonly InferenceSession.ValueMetadata[]
  readonly outputs: readonly InferenceSession.ValueMetadata[]
}

export interface Ran {
  readonly kind: 'ran'
  readonly fetches: readonly WireTensor[]
  /** The feeds' buffers, handed back for the next run. */
  readonly buffers: readonly ArrayBuffer[]
  /** Microseconds of the monotonic clock. */
  readonly startUs: number
  readonly endUs: number
  readonly sentUs: number
}

export interface Failed {
  readonly kind: 'failed'
  readonly message: string
  readonly buffers: readonly ArrayBuffer[]
}

export type WorkerReply = (Created | Ran | Failed) & { readonly id: number }
/** `end` has no reply: the thread ends, after the calls before it. */
export type WorkerCall = (WorkerRequest & { readonly id: number }) | { readonly kind: 'end' }
