import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import koffi, { type LibraryHandle } from 'koffi'
import { buildSimulator } from '../cuda-sim/build.ts'
import { SimulatorControl } from '../cuda-sim/control.ts'
import { isSanitized } from '../cuda-sim/sanitized.ts'
import { packageFolder } from '../package-folder.ts'
import { type BuiltFakeNvinfer, buildFakeNvinfer, type FakeNvinferOptions } from './build.ts'
import { FakeNvinferControl } from './control.ts'

type Range = { min: number[]; opt: number[]; max: number[]; values?: boolean }
export type Profiles = readonly Record<string, Range>[]

/* What is used of backend-trt's addon, which is not a dependency: backend-trt depends on this package. */
interface Addon {
  open(paths: { nvinfer: string[]; onnxParser: string[]; plugin: string[]; cudaDriver: string }): Library
}
interface Library {
  readonly version: { major: number; minor: number; patch: number }
  loadPluginLibrary(path: string): void
  build(request: object, onEvent: (event: BuildEvent) => void): { done: Promise<BuildResult>; cancel(): void }
  supports(model: { bytes: Uint8Array }): Promise<{ supported: boolean; subgraphs: unknown; errors: unknown }>
  deserialize(plan: Uint8Array | { path: string }, options: object): Promise<Engine>
}
export interface BuildEvent {
  readonly kind: string
  readonly phase?: string
  readonly parent?: string
  readonly message?: string
}
interface BuildResult {
  readonly plan: Uint8Array
  readonly timingCache?: Uint8Array
  readonly timingCacheRefused: boolean
}
interface Engine {
  readonly layers: number
  readonly profiles: number
  readonly auxStreams: number
  readonly refittable: boolean
  readonly tensors: readonly { name: string; shape: number[]; dtype: string; isShapeTensor: boolean }[]
  deviceMemoryBytes(profile?: number): number
  weightStreaming(): { streamableBytes: number; budgetBytes: number; scratchBytes: number }
  setWeightStreamingBudget(sizeBytes: number): void
  inspect(format: 'json' | 'oneline'): string
  serialize(flags?: string[]): Promise<Uint8Array>
  refit(model: { bytes: Uint8Array }): Promise<{ missing: string[] }>
  createContext(options: { memory: string }): Promise<Context>
  dispose(): Promise<void>
}
interface Context {
  setProfile(index: number, stream: number): void
  setInputShape(name: string, shape: readonly number[]): void
  inferShapes(): string[]
  shapeOf(name: string): number[]
  maxOutputBytes(name: string): number
  setAddress(name: string, address: number): void
  allocateOutput(name: string): void
  allocated(name: string): { address: number; sizeBytes: number; shape: number[] }
  setDeviceMemory(address: number, sizeBytes: number): void
  memoryForShapes(): number
  setAuxStreams(streams: readonly number[]): void
  enqueue(stream: number): void
  enqueueInThread(stream: number): Promise<void>
  profile(on: boolean): void
  reportProfile(): { name: string; ms: number }[]
  dispose(): Promise<void>
}

/** Built once for its sources, by the package whose own it is. */
async function addonPath(): Promise<string> {
  const builder = join(packageFolder, '../backend-trt/src/testing/native-addon.ts')
  const { buildAddon } = (await import(/* @vite-ignore */ builder)) as {
    buildAddon(options: { sanitize: boolean }): Promise<string>
  }
  return buildAddon({ sanitize: isSanitized() })
}

/** The stand-in as one version, driven by the addon on the simulated GPU. */
export class NvinferHarness {
  readonly control: FakeNvinferControl
  readonly simulator: SimulatorControl
  readonly library: Library
  readonly #driver: LibraryHandle
  readonly #nvinferPath: string
  #context = 0
  stream = 0

  static async build(options: FakeNvinferOptions): Promise<NvinferHarness> {
    const { driverPath } = await buildSimulator({ kernels: [], sanitize: isSanitized() })
    process.env.LOWLAT_CUDA_DRIVER_LIB = driverPath
    const built = await buildFakeNvinfer({ ...options, sanitize: isSanitized() })
    const addon = createRequire(import.meta.url)(await addonPath()) as Addon
    return new NvinferHarness(addon, built, driverPath)
  }

  constructor(addon: Addon, built: BuiltFakeNvinfer, driverPath: string) {
    this.control = new FakeNvinferControl(built.nvinferPath)
    this.simulator = new SimulatorControl(driverPath)
    this.#driver = koffi.load(driverPath)
    this.#nvinferPath = built.nvinferPath
    this.library = addon.open({
      nvinfer: [built.nvinferPath],
      onnxParser: [built.onnxParserPath],
      plugin: [built.pluginPath],
      cudaDriver: driverPath,
    })
  }

  start(): void {
    this.simulator.reset()
    this.control.reset()
    this.cuda('cuInit', ['uint'], 0)
    this.#context = this.made('cuDevicePrimaryCtxRetain', ['int'], 0)
    this.cuda('cuCtxSetCurrent', ['uint64'], this.#context)
    this.stream = this.made('cuStreamCreate', ['uint'], 1)
  }

  /** A call of the driver that must succeed. */
  cuda(name: string, types: string[], ...args: (number | ArrayBufferView)[]): void {
    const result = this.#driver.func(name, 'int', types)(...args) as number
    if (result) throw new Error(`${name} gave ${result}`)
  }

  /** What a call writes to its first parameter. */
  made(name: string, types: string[], ...args: number[]): number {
    const slot = new BigUint64Array(1)
    this.cuda(name, ['void *', ...types], slot, ...args)
    return Number(slot[0])
  }

  upload(array: ArrayBufferView): number {
    const address = this.made('cuMemAlloc_v2', ['size_t'], Math.max(array.byteLength, 4))
    this.cuda('cuMemcpyHtoD_v2', ['uint64', 'void *', 'size_t'], address, array, array.byteLength)
    return address
  }

  download<T extends ArrayBufferView>(address: number, array: T): T {
    this.cuda('cuStreamSynchronize', ['uint64'], this.stream)
    this.cuda('cuMemcpyDtoH_v2', ['void *', 'uint64', 'size_t'], array, address, array.byteLength)
    return array
  }

  /** How a process of its own ends that calls a slot of a builder. */
  trap(slot: string): Promise<{ signal: NodeJS.Signals | null; output: string }> {
    const { major, minor, patch } = this.library.version
    const args = [this.#nvinferPath, String(major * 10000 + minor * 100 + patch), slot]
    const script = join(packageFolder, 'src/fake-nvinfer/call-slot.ts')
    return new Promise((resolve) => {
      execFile(process.execPath, ['--import', 'tsx', script, ...args], (error, stdout, stderr) =>
        resolve({ signal: (error?.signal as NodeJS.Signals) ?? null, output: stdout + stderr }),
      )
    })
  }

  job(model: Uint8Array, options: { profiles?: Profiles; [key: string]: unknown } = {}, events: BuildEvent[] = []) {
    const request = {
      model: { bytes: model },
      cudaContext: this.#context,
      stronglyTyped: true,
      flags: [],
      networkFlags: [],
      parserFlags: [],
      memoryPools: {},
      profiles: [],
      useTimingCache: false,
      pluginLibraries: [],
      ...options,
    }
    return this.library.build(request, (event) => events.push(event))
  }

  build(model: Uint8Array, options: { profiles?: Profiles; [key: string]: unknown } = {}): Promise<BuildResult> {
    return this.job(model, options).done
  }

  load(plan: Uint8Array | { path: string }, options: object = {}): Promise<Engine> {
    return this.library.deserialize(plan, { cudaContext: this.#context, onLog: () => {}, ...options })
  }

  async engine(model: Uint8Array, options: { profiles?: Profiles; [key: string]: unknown } = {}): Promise<Engine> {
    return this.load((await this.build(model, options)).plan)
  }

  /** The outputs of one run in a fresh context, for inputs with these elements. */
  async run(
    engine: Engine,
    inputs: Record<string, { shape: number[]; data: ArrayBufferView }>,
    outputs: Record<string, ArrayBufferView>,
  ): Promise<void> {
    const context = await engine.createContext({ memory: 'own' })
    try {
      for (const [name, { shape, data }] of Object.entries(inputs)) {
        context.setInputShape(name, shape)
        context.setAddress(name, this.upload(data))
      }
      const addresses = Object.entries(outputs).map(([name, data]) => [name, this.upload(data)] as const)
      for (const [name, address] of addresses) context.setAddress(name, address)
      await context.enqueueInThread(this.stream)
      for (const [name, address] of addresses) this.download(address, outputs[name]!)
    } finally {
      await context.dispose()
    }
  }
}
