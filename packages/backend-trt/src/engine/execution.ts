import {
  allocate,
  BackendError,
  byteLengthOf,
  type DType,
  disposeAll,
  type Fetches,
  type LayerTiming,
  monotonicUs,
  type NamedTensor,
  type Shape,
  type SpanSink,
  sizeOf,
  Tensor,
} from '@lowlat/core'
import { acquire, type CudaGraphExec, type PinnedMemory, type Slab, type Workspace } from '@lowlat/cuda-driver'
import type { Binding } from './binding.ts'
import type { Placed } from './layout.ts'

/** The memory of an execution context, with where its tensors start. */
export interface Memory {
  readonly workspace: Workspace
  /** Bytes of the arena before the tensors. */
  readonly scratchBytes: number
  /** For outputs of a size that was not known before. */
  readonly late: Slab<PinnedMemory>
}

const tensorsOf = ({ workspace, scratchBytes }: Memory) => workspace.arena.address + scratchBytes

/** Whether an output is asked for. */
export type Wanted = (name: string) => boolean

export const wantedFrom = (outputs: readonly string[] | undefined): Wanted =>
  outputs ? (name) => outputs.includes(name) : () => true

/** Runs a binding once, by giving everything to the stream. @throws BackendError. */
export async function runPlain(
  binding: Binding,
  memory: Memory,
  feeds: readonly NamedTensor[],
  wanted: Wanted,
  timeline?: SpanSink,
): Promise<Map<string, Tensor>> {
  const { workspace } = memory
  const { stream, signal } = workspace
  const { layout } = binding
  const startUs = monotonicUs()
  stage(layout.inputs, workspace, feeds)
  const stagedUs = monotonicUs()
  try {
    copyInputs(binding, memory)
    await binding.native.enqueueInThread(stream)
  } catch (error) {
    // What was given to the stream before it failed still reads the memory.
    if (!workspace.context.lost) await signal.run((sequence) => stream.writeValue32(signal.address, sequence))
    throw error
  }
  await signal.run((sequence) => {
    copyOutputs(binding, memory, wanted)
    stream.writeValue32(signal.address, sequence)
  })
  const late = await fetchLate(binding, memory, wanted)
  const computedUs = monotonicUs()
  const fetches = fetch(layout.outputs, workspace, wanted)
  for (const [name, tensor] of [...late, ...fetchFromHost(binding, wanted)]) fetches.set(name, tensor)
  timeline?.span('h2d', startUs, stagedUs, 'copy to pinned memory')
  timeline?.span('compute', stagedUs, computedUs)
  timeline?.span('d2h', computedUs, monotonicUs(), 'copy from pinned memory')
  return fetches
}

/** A binding as a CUDA graph: copies, TensorRT's kernels, copies. */
export class CapturedExecution implements AsyncDisposable {
  readonly #binding: Binding
  readonly #memory: Memory
  readonly #wanted: Wanted
  readonly #graph: CudaGraphExec

  /**
   * Of a binding that has run with these shapes and addresses; it belongs to the execution from here on, unless this
   * throws. @throws BackendError where the capture is refused.
   */
  constructor(binding: Binding, memory: Memory, wanted: Wanted) {
    this.#binding = binding
    this.#memory = memory
    this.#wanted = wanted
    const { stream } = memory.workspace
    this.#graph = acquire((resources) => {
      using graph = stream.capture(() => {
        copyInputs(binding, memory)
        binding.native.enqueue(stream)
        copyOutputs(binding, memory, wanted)
      })
      const exec = resources.own(graph.instantiate())
      exec.upload(stream)
      return exec
    })
  }

  get profile(): number {
    return this.#binding.profile
  }

  /** @param feeds of the shapes that were captured. @throws BackendError. */
  async run(feeds: readonly NamedTensor[], timeline?: SpanSink): Promise<Map<string, Tensor>> {
    const { workspace } = this.#memory
    const { stream, signal } = workspace
    const { layout } = this.#binding
    const startUs = monotonicUs()
    stage(layout.inputs, workspace, feeds)
    const stagedUs = monotonicUs()
    await signal.run((sequence) => {
      this.#graph.launch(stream)
      stream.writeValue32(signal.address, sequence)
    })
    const computedUs = monotonicUs()
    const fetches = fetch(layout.outputs, workspace, this.#wanted)
    timeline?.span('h2d', startUs, stagedUs, 'copy to pinned memory')
    timeline?.span('compute', stagedUs, computedUs)
    timeline?.span('d2h', computedUs, monotonicUs(), 'copy from pinned memory')
    return fetches
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await disposeAll([this.#graph, this.#binding])
  }
}

/** Mean times of the layers over some runs. TensorRT makes runs slower for it: not on a binding that others use. */
export async function measureLayers(
  binding: Binding,
  memory: Memory,
  feeds: readonly NamedTensor[],
  runs: number,
  operatorOf: (layer: string) => string,
): Promise<LayerTiming[]> {
  const totals = new Map<string, { ms: number; calls: number }>()
  await runPlain(binding, memory, feeds, () => true) // the first run is none to measure
  binding.native.setProfiling(true)
  for (let run = 0; run < runs; run++) {
    await runPlain(binding, memory, feeds, () => true)
    for (const { name, ms } of binding.native.reportProfile()) {
      const total = totals.get(name) ?? { ms: 0, calls: 0 }
      totals.set(name, { ms: total.ms + ms, calls: total.calls + 1 })
    }
  }
  return [...totals].map(([name, { ms, calls }]) => {
    return { name, operator: operatorOf(name), meanUs: (ms * 1000) / runs, calls }
  })
}

function stage(inputs: readonly Placed[], { staging }: Workspace, feeds: readonly NamedTensor[]): void {
  let next = 0
  for (const { name, tensor } of feeds) {
    const placed = inputs[next]
    if (placed?.name !== name) continue // on the host, where its values were set with the shapes
    staging.bytes(placed.offsetBytes, placed.sizeBytes).set(tensor.bytes)
    next++
  }
}

function copyInputs({ layout }: Binding, memory: Memory): void {
  const { stream, staging } = memory.workspace
  stream.copyToDevice(tensorsOf(memory), staging.address, layout.inputBytes)
}

/** All at once where all are wanted. */
function copyOutputs({ layout }: Binding, memory: Memory, wanted: Wanted): void {
  const { stream, staging } = memory.workspace
  const copy = (offsetBytes: number, sizeBytes: number) =>
    stream.copyToHost(staging.address + offsetBytes, tensorsOf(memory) + offsetBytes, sizeBytes)
  const some = layout.outputs.filter(({ name }) => wanted(name))
  if (some.length === layout.outputs.length) copy(layout.outputOffset, layout.outputBytes)
  else for (const { offsetBytes, sizeBytes } of some) copy(offsetBytes, sizeBytes)
}

function fetch(outputs: readonly Placed[], { staging }: Workspace, wanted: Wanted): Map<string, Tensor> {
  const fetches = new Map<string, Tensor>()
  for (const { name, dtype, shape, offsetBytes, sizeBytes } of outputs) {
    if (wanted(name)) fetches.set(name, copied(dtype, shape, staging.bytes(offsetBytes, sizeBytes)))
  }
  return fetches
}

/** Outputs whose sizes TensorRT has found by now. */
async function fetchLate(binding: Binding, memory: Memory, wanted: Wanted): Promise<[string, Tensor][]> {
  const outputs = binding.dataDependent.filter(({ name }) => wanted(name))
  if (outputs.length === 0) return []
  const { workspace, late } = memory
  const { stream, signal } = workspace
  let end = 0
  const placed = outputs.map(({ name, dtype }) => {
    const { address, shape } = binding.native.allocated(name)
    if (!shape) throw noSize(name)
    const [offsetBytes, sizeBytes] = [end, byteLengthOf(dtype, sizeOf(shape))]
    end = Math.ceil((end + sizeBytes) / 64) * 64
    return { name, dtype, address, shape, offsetBytes, sizeBytes }
  })
  late.grow(end)
  await signal.run((sequence) => {
    for (const { address, offsetBytes, sizeBytes } of placed) {
      stream.copyToHost(late.memory.address + offsetBytes, address, sizeBytes)
    }
    stream.writeValue32(signal.address, sequence)
  })
  return placed.map(({ name, dtype, shape, offsetBytes, sizeBytes }) => [
    name,
    copied(dtype, shape, late.memory.bytes(offsetBytes, sizeBytes)),
  ])
}

function noSize(name: string): BackendError {
  return new BackendError('RUN_FAILED', {
    message: `TensorRT did not say how large the output '${name}' is.`,
    remedy: 'Report it with the model.',
    received: name,
  })
}

function fetchFromHost(binding: Binding, wanted: Wanted): [string, Tensor][] {
  return binding.hostOutputs
    .filter(({ name }) => wanted(name))
    .map((output) => {
      const { shape, bytes } = binding.hostOutput(output)
      return [output.name, copied(output.dtype, shape, bytes)]
    })
}

function copied(dtype: DType, shape: Shape, bytes: Uint8Array): Tensor {
  const tensor = new Tensor(dtype, shape, allocate(dtype, sizeOf(shape)))
  tensor.bytes.set(bytes)
  return tensor
}

/** In the order of the model. */
export function fetchesFrom(values: ReadonlyMap<string, Tensor>, names: readonly string[]): Fetches {
  return Object.fromEntries(names.flatMap((name) => (values.has(name) ? [[name, values.get(name)!]] : [])))
}
