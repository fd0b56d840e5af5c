import {
  allocate,
  BackendError,
  type Fetches,
  monotonicUs,
  type Session,
  type Shape,
  type SpanSink,
  sameShape,
  sizeOf,
  Tensor,
} from '@lowlat/core'
import { acquire, type CudaGraphExec, type Lease, type Resources, type Workspace } from '@lowlat/cuda-driver'
import type { View } from '../program/view.ts'
import type { Prepared } from './prepared.ts'
import type { Recorder } from './recorder.ts'
import type { DevicePhase, HostPhase, Transfer } from './schedule.ts'

/** How the phases of a run are carried out: as CUDA graphs, or so that something can be measured. */
export interface PhaseRunner {
  device(phase: DevicePhase, isFirst: boolean): Promise<void>
  /** Is to call `run` once. */
  host(phase: HostPhase, run: () => Promise<void>): Promise<void>
}

/** A prepared program in one context: its phases as CUDA graphs over the memory of that context. */
export class Execution implements AsyncDisposable {
  readonly prepared: Prepared
  readonly recorder: Recorder
  readonly #workspace: Workspace
  readonly #lease: Lease<Prepared>
  readonly #graphs: ReadonlyMap<DevicePhase, CudaGraphExec>
  readonly #resources: Resources

  /** Captures all device phases. @param recorder prepared. @throws BackendError. */
  constructor(workspace: Workspace, lease: Lease<Prepared>, recorder: Recorder) {
    this.#workspace = workspace
    this.#lease = lease
    this.prepared = lease.value
    this.recorder = recorder
    const { graphs, resources } = acquire((resources) => {
      const graphs = new Map<DevicePhase, CudaGraphExec>()
      for (const phase of this.#devicePhases()) graphs.set(phase, resources.own(this.#capture(phase)))
      return { graphs, resources }
    })
    this.#graphs = graphs
    this.#resources = resources
  }

  *#devicePhases(): Generator<DevicePhase> {
    for (const phase of this.prepared.schedule.phases) if (phase.kind === 'device') yield phase
  }

  #capture(phase: DevicePhase): CudaGraphExec {
    const { stream } = this.#workspace
    const isFirst = phase === this.#devicePhases().next().value
    const graph = stream.capture(() => this.recorder.phase(phase, isFirst))
    try {
      const exec = graph.instantiate()
      try {
        exec.upload(stream)
        return exec
      } catch (error) {
        exec.dispose()
        throw error
      }
    } finally {
      graph.dispose()
    }
  }

  /**
   * Runs once. The feeds are copied to pinned memory, the fetches from it.
   * @param feeds by input name, of the shapes that this was prepared for.
   * @throws BackendError.
   */
  async run(
    feeds: ReadonlyMap<string, Tensor>,
    timeline?: SpanSink,
    runner: PhaseRunner = this.#plainRunner,
  ): Promise<Fetches> {
    const { schedule, sessions } = this.prepared
    const [first] = this.#devicePhases()
    /** What host steps computed; the shapes of the model's inputs and constants are known to their sessions. */
    const values = new Map(feeds)
    let hostStep = 0
    for (const phase of schedule.phases) {
      const startUs = monotonicUs()
      if (phase.kind === 'host') {
        const session = sessions[hostStep++]!
        await runner.host(phase, () => this.#runHost(phase, session, values))
        timeline?.span('compute', startUs, monotonicUs(), `host: ${phase.step.operators.join(', ')}`)
        continue
      }
      for (const upload of phase.uploads) this.#stage(upload, values)
      const stagedUs = monotonicUs()
      await runner.device(phase, phase === first)
      timeline?.span('h2d', startUs, stagedUs, 'copy to pinned memory')
      timeline?.span('compute', stagedUs, monotonicUs())
    }
    if (schedule.usesStatus) this.recorder.control.checkStatus()
    const computedUs = monotonicUs()
    const fetches = this.#fetch(values)
    timeline?.span('d2h', computedUs, monotonicUs(), 'copy from pinned memory')
    return fetches
  }

  readonly #plainRunner: PhaseRunner = {
    device: (phase) => {
      const graph = this.#graphs.get(phase)!
      const { signal, stream } = this.#workspace
      return signal.run(() => graph.launch(stream))
    },
    host: (_, run) => run(),
  }

  #stage(upload: Transfer, values: ReadonlyMap<string, Tensor>): void {
    const { dtype, shape } = upload.view
    const tensor = values.get(upload.name)!
    if (tensor.dtype !== dtype || !sameShape(tensor.shape, shape)) throw otherShape(upload.name, tensor, dtype, shape)
    this.recorder.staged(upload).set(tensor.bytes)
  }

  async #runHost({ step, downloaded }: HostPhase, session: Session, values: Map<string, Tensor>): Promise<void> {
    const own = new Map<string, Tensor>()
    // The session copies its feeds before this memory is used again: the next phase waits for its results.
    for (const transfer of downloaded) own.set(transfer.name, tensorOver(this.recorder.staged(transfer), transfer.view))
    for (const { name, view } of step.inputs) {
      const feed = own.has(name) ? undefined : values.get(view.buffer.name)
      if (feed) own.set(name, feed.reshape(view.shape))
    }
    const feeds = session.inputs.map(({ name }) => [name, own.get(name) ?? values.get(name)!] as const)
    const results = await session.run(Object.fromEntries(feeds))
    for (const name of Object.keys(results)) values.set(name, results[name]!)
  }

  #fetch(values: ReadonlyMap<string, Tensor>): Fetches {
    const { downloads, outputs } = this.prepared.schedule
    const fetched = new Map(
      downloads.map((transfer) => {
        const { dtype, shape } = transfer.view
        const tensor = new Tensor(dtype, shape, allocate(dtype, sizeOf(shape)))
        tensor.bytes.set(this.recorder.staged(transfer))
        return [transfer.name, tensor]
      }),
    )
    return Object.fromEntries(outputs.map((name) => [name, fetched.get(name) ?? values.get(name)!]))
  }

  /** Gives the graphs back; the program stays for other contexts. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#resources.dispose()
    } finally {
      await this.#lease.release()
    }
  }
}

const tensorOver = (bytes: Uint8Array, { dtype, shape }: View): Tensor => Tensor.fromBytes(dtype, shape, bytes)

function otherShape(name: string, { dtype, shape }: Tensor, wantedDtype: string, wanted: Shape): BackendError {
  return new BackendError('RUN_FAILED', {
    message: `Expected '${name}' from the host as ${wantedDtype} [${wanted.join(', ')}], got ${dtype} [${shape.join(', ')}].`,
    remedy: 'Report it with the model.',
    expected: wanted,
    received: shape,
  })
}
