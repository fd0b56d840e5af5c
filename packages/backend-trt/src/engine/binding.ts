import { BackendError, byteLengthOf, disposeAll, type NamedTensor, sizeOf } from '@lowlat/core'
import { type CudaStream, type PinnedMemory, Slab } from '@lowlat/cuda-driver'
import type { TensorRtContext } from '../tensorrt/context.ts'
import type { EngineIo, IoTensor } from './io.ts'
import { type Layout, layoutOf, type RunTensor } from './layout.ts'

/** What all bindings of an execution context have in common. */
export interface BindingParts {
  readonly io: EngineIo
  readonly stream: CudaStream
  readonly auxStreams: readonly CudaStream[]
  readonly persistentCacheBytes: number
  readonly allocatePinned: (sizeBytes: number) => PinnedMemory
}

/** Where the memory of a run starts. */
interface Addresses {
  /** What TensorRT works in. */
  readonly scratch: number
  readonly scratchBytes: number
  /** Of the tensors, in device memory. */
  readonly tensors: number
}

/**
 * One IExecutionContext with what it was told: a profile, the shapes of the inputs, and the addresses of all tensors. It
 * works in memory that it is given.
 */
export class Binding implements AsyncDisposable {
  readonly native: TensorRtContext
  /** Outputs of a size that depends on data, in memory that TensorRT asks for. */
  #dataDependent: readonly IoTensor[] = []
  #layout: Layout | undefined
  readonly #parts: BindingParts
  readonly #profile: number
  /** By name, of the tensors that lie on the host. */
  readonly #hostMemory = new Map<string, Slab<PinnedMemory>>()

  private constructor(native: TensorRtContext, parts: BindingParts, profile: number) {
    this.native = native
    this.#parts = parts
    this.#profile = profile
  }

  /** @param native without memory of its own; belongs to the binding from here on. @throws BackendError. */
  static async create(native: TensorRtContext, parts: BindingParts, profile: number): Promise<Binding> {
    try {
      if (parts.auxStreams.length > 0) native.setAuxStreams(parts.auxStreams)
      if (parts.persistentCacheBytes > 0) native.setPersistentCacheLimit(parts.persistentCacheBytes)
      await native.setProfileInThread(profile, parts.stream)
      return new Binding(native, parts, profile)
    } catch (error) {
      await native.dispose().catch(() => {}) // the first error says why; this one would hide it
      throw error
    }
  }

  get profile(): number {
    return this.#profile
  }

  /** Of the tensors in device memory, under the shapes that were set. */
  get layout(): Layout {
    return this.#layout!
  }

  get hostOutputs(): readonly IoTensor[] {
    return this.#parts.io.outputs.filter(({ onHost }) => onHost)
  }

  get dataDependent(): readonly IoTensor[] {
    return this.#dataDependent
  }

  /**
   * Sets the shapes of the inputs, and the values of those on the host, and finds those of the outputs.
   * @throws BackendError RUN_FAILED for what TensorRT refuses.
   */
  setShapes(feeds: readonly NamedTensor[]): void {
    const { native } = this
    const { io } = this.#parts
    const inputs: RunTensor[] = []
    for (const [index, { name, tensor }] of feeds.entries()) {
      native.setInputShape(name, tensor.shape)
      if (io.inputs[index]!.onHost) this.#onHost(name, tensor.bytes.byteLength, tensor.bytes)
      else inputs.push({ name, dtype: tensor.dtype, shape: tensor.shape })
    }
    const missing = native.inferShapes()
    if (missing.length > 0) throw notInferred(missing)
    const shapes = new Map(io.outputs.map((output) => [output, native.shapeOf(output.name)]))
    const isKnown = (output: IoTensor) => shapes.get(output)!.every((size) => size >= 0)
    this.#dataDependent = io.outputs.filter((output) => !output.onHost && !isKnown(output))
    const outputs = io.outputs.filter((output) => !output.onHost && isKnown(output))
    this.#layout = layoutOf(
      inputs,
      outputs.map((output) => ({ ...output, shape: shapes.get(output)! })),
    )
    for (const { name } of this.#dataDependent) native.allocateOutput(name)
    for (const { name } of io.outputs.filter(({ onHost }) => onHost)) {
      this.#onHost(name, native.maxOutputBytes(name))
    }
  }

  /** Says where everything is, after the shapes. @throws BackendError. */
  setAddresses({ scratch, scratchBytes, tensors }: Addresses): void {
    this.native.setDeviceMemory(scratch, scratchBytes)
    for (const { name, offsetBytes } of [...this.layout.inputs, ...this.layout.outputs]) {
      this.native.setAddress(name, tensors + offsetBytes)
    }
  }

  /** What the last run wrote to an output on the host: its shape, and its bytes in memory of the binding. */
  hostOutput({ name, dtype }: IoTensor): { shape: number[]; bytes: Uint8Array } {
    const shape = this.native.shapeOf(name)
    return { shape, bytes: this.#hostMemory.get(name)!.memory.bytes(0, byteLengthOf(dtype, sizeOf(shape))) }
  }

  /** Memory for a tensor on the host, with its values before TensorRT is told of it. */
  #onHost(name: string, sizeBytes: number, values?: Uint8Array): void {
    let slab = this.#hostMemory.get(name)
    if (!slab) {
      slab = new Slab(this.#parts.allocatePinned, sizeBytes)
      this.#hostMemory.set(name, slab)
    }
    slab.grow(sizeBytes)
    if (values) slab.memory.bytes(0, sizeBytes).set(values)
    this.native.setAddress(name, slab.memory.address)
  }

  /** To be called when nothing of it runs any more. */
  [Symbol.asyncDispose](): Promise<void> {
    return disposeAll([this.native, ...this.#hostMemory.values()])
  }
}

function notInferred(names: readonly string[]): BackendError {
  return new BackendError('RUN_FAILED', {
    message: `TensorRT cannot tell the shapes of the outputs: it lacks ${names.map((name) => `'${name}'`).join(', ')}.`,
    remedy: 'Report it with the model.',
    details: { missing: names },
  })
}
