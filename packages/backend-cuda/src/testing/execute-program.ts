import { type Backend, createSession, type DType, type Feeds, sizeOf, Tensor } from '@lowlat/core'
import type { CudaContext, CudaModule, DeviceMemory } from '@lowlat/cuda-driver'
import { lifetimesOf } from '../memory/arena.ts'
import { packArguments } from '../memory/pack-arguments.ts'
import type { HostStep, Program } from '../program/program.ts'
import { statusBuffer } from '../program/status.ts'
import { type DeviceBuffer, sizeBytesOf, type View } from '../program/view.ts'

export interface ExecuteOptions {
  readonly context: CudaContext
  readonly module: CudaModule
  readonly constants: ReadonlyMap<DeviceBuffer, Uint8Array>
  /** Runs host steps. */
  readonly host: Backend
}

/** Results of a run by name, and the status that its kernels left. */
interface Execution {
  readonly fetches: Readonly<Record<string, Tensor>>
  readonly status: number
}

/** Runs a program once, step by step, each buffer in memory of its own: what is read before it is written shows as 0xFF. */
export async function executeProgram(program: Program, feeds: Feeds, options: ExecuteOptions): Promise<Execution> {
  using memory = new ProgramMemory(options)
  using stream = options.context.createStream()
  const onHost = new Map<string, Tensor>()
  for (const { buffer } of lifetimesOf(program)) memory.of(buffer)
  for (const { name, view } of program.inputs) memory.of(view.buffer).write(feeds[name]!.bytes)
  memory.of(statusBuffer).write(new Uint8Array(4))
  for (const step of program.steps) {
    if (step.kind === 'kernel') {
      const { kernel, grid, threads, sharedBytes } = step.launch
      const parameters = packArguments(step.launch, (buffer) => memory.of(buffer).address)
      options.module.kernel(kernel).launch({ grid, threads, sharedBytes, stream, parameters })
      stream.synchronize()
    } else await runHostStep(step, memory, onHost, feeds, options.host)
  }
  const fetches = program.outputs.map(({ name, view }): [string, Tensor] => [
    name,
    view ? memory.read(view) : onHost.get(name)!,
  ])
  const status = memory.of(statusBuffer).read()[0]!
  return { fetches: Object.fromEntries(fetches), status }
}

async function runHostStep(
  step: HostStep,
  memory: ProgramMemory,
  onHost: Map<string, Tensor>,
  feeds: Feeds,
  host: Backend,
): Promise<void> {
  const backendOptions = { [host.name]: { placement: 'inline' } }
  await using session = await createSession(step.model, { backend: host, backendOptions, cache: false, warmup: false })
  const views = new Map(step.inputs.map(({ name, view }) => [name, view]))
  const inputs = session.inputs.map(({ name }): [string, Tensor] => {
    const view = views.get(name)
    const tensor = view ? memory.read(view) : (onHost.get(name) ?? feeds[name])
    if (!tensor) throw new Error(`nothing gives the host step its input '${name}'`)
    return [name, tensor]
  })
  const results = await session.run(Object.fromEntries(inputs))
  for (const { name, view } of step.outputs) {
    onHost.set(name, results[name]!)
    if (view) memory.of(view.buffer).write(results[name]!.bytes)
  }
}

/** One allocation per buffer, made when first asked for. */
class ProgramMemory implements Disposable {
  readonly #options: ExecuteOptions
  readonly #memory = new Map<DeviceBuffer, DeviceMemory>()

  constructor(options: ExecuteOptions) {
    this.#options = options
  }

  of(buffer: DeviceBuffer): DeviceMemory {
    let memory = this.#memory.get(buffer)
    if (!memory) {
      const { context, constants } = this.#options
      memory = context.allocate(buffer.sizeBytes)
      const bytes = buffer.kind === 'constant' ? constants.get(buffer) : new Uint8Array(buffer.sizeBytes).fill(0xff)
      if (!bytes) throw new Error(`the constant '${buffer.name}' was never made`)
      memory.write(bytes)
      this.#memory.set(buffer, memory)
    }
    return memory
  }

  /** A contiguous view. */
  read({ buffer, dtype, shape, offset }: View): Tensor<DType> {
    const sizeBytes = sizeBytesOf(dtype, shape)
    const start = sizeOf(shape) === 0 ? 0 : (offset * sizeBytes) / sizeOf(shape)
    return Tensor.fromBytes(dtype, shape, this.of(buffer).read(start, sizeBytes))
  }

  [Symbol.dispose](): void {
    for (const memory of this.#memory.values()) memory[Symbol.dispose]()
  }
}
