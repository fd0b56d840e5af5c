import { readFileSync } from 'node:fs'
import { type CudaContext, openDriver } from '@lowlat/cuda-driver'
import { describeModel } from '@lowlat/onnx'
import type {
  BuildEvent,
  BuildRequest,
  BuildResult,
  ContextMemory,
  DeserializeOptions,
  ModelBytes,
  NativeAddon,
  NativeContext,
  NativeEngine,
  NativeJob,
  NativeLibrary,
  ProfileRange,
  TensorDescription,
} from '../native.ts'
import { dtypeToTensorRt } from '../tensorrt/dtypes.ts'

/** As the addon throws. */
export function nativeError(code: string, fields: object = {}): Error {
  return Object.assign(new Error(`the fake says ${code}`), { code, ...fields })
}

interface FakePlan {
  readonly tensors: readonly TensorDescription[]
  readonly profiles: readonly Record<string, ProfileRange>[]
  readonly model: string
}

/**
 * The addon's interface without an addon, for what TypeScript does with it: an engine copies its n-th input to its n-th
 * output, on the stream, so that memory, graphs and lifetimes are real. It refuses what TensorRT refuses: shapes outside of
 * the profile, runs without memory, shapes or addresses.
 */
export class FakeNative implements NativeAddon {
  version = { major: 10, minor: 13, patch: 2 }
  readonly requests: BuildRequest[] = []
  /** Calls to refuse, each once: 'enqueue' or 'enqueue:capture', with what is thrown. */
  readonly failures = new Map<string, Error>()
  /** Names of outputs whose size is known only after the run. */
  dataDependent: readonly string[] = []
  /** Names of tensors in host memory. */
  onHost: readonly string[] = []
  /** What the next builds do before they are done. */
  duringBuild: (emit: (event: BuildEvent) => void) => Promise<void> = async () => {}
  builtType: string | undefined
  refitMissing: string[] = []
  auxStreams = 0
  readonly plugins = new Set<string>()
  readonly live = { engines: 0, contexts: 0 }
  readonly counts = new Map<string, number>()
  #cuda: CudaContext | undefined

  open(): NativeLibrary {
    this.check('open')
    return new FakeLibrary(this)
  }

  get cuda(): CudaContext {
    const driver = openDriver()
    this.#cuda ??= driver.createContext(driver.devices()[0]!)
    return this.#cuda
  }

  /** Counts a call, and fails it where that was asked for. */
  check(call: string): void {
    this.counts.set(call, (this.counts.get(call) ?? 0) + 1)
    const failure = this.failures.get(call)
    this.failures.delete(call)
    if (failure) throw failure
  }

  countOf(call: string): number {
    return this.counts.get(call) ?? 0
  }

  dispose(): void {
    this.#cuda?.dispose()
  }
}

class FakeLibrary implements NativeLibrary {
  readonly path = '/usr/lib/libnvinfer.so.10'
  readonly #fake: FakeNative

  constructor(fake: FakeNative) {
    this.#fake = fake
  }

  get version() {
    return this.#fake.version
  }

  initPlugins(): boolean {
    return true
  }

  loadPluginLibrary(path: string): void {
    this.#fake.check('loadPluginLibrary')
    this.#fake.plugins.add(path)
  }

  build(request: BuildRequest, onEvent: (event: BuildEvent) => void): NativeJob<BuildResult> {
    this.#fake.check('build')
    this.#fake.requests.push(request)
    let isCancelled = false
    const run = async (): Promise<BuildResult> => {
      await this.#fake.duringBuild(onEvent)
      if (isCancelled) throw nativeError('CANCELLED')
      this.#fake.check('built')
      const { inputs, outputs } = describeModel(bytesOf(request.model))
      const tensors = [...inputs, ...outputs].map(({ name, dtype, shape }, index): TensorDescription => {
        const onHost = this.#fake.onHost.includes(name)
        return {
          name,
          mode: index < inputs.length ? 'input' : 'output',
          dtype: this.#fake.builtType ?? dtypeToTensorRt.get(dtype)!,
          shape: shape.map((dim) => (typeof dim === 'string' ? -1 : dim)),
          location: onHost ? 'host' : 'device',
          isShapeTensor: onHost,
        }
      })
      const model = Buffer.from(bytesOf(request.model)).toString('base64')
      const plan: FakePlan = { tensors, profiles: request.profiles.map((profile) => ({ ...profile })), model }
      const timingCache = request.useTimingCache ? { timingCache: Uint8Array.of(1, 2, 3) } : {}
      return { plan: Buffer.from(JSON.stringify(plan)), tensors, timingCacheRefused: false, ...timingCache }
    }
    return { done: run(), cancel: () => (isCancelled = true) }
  }

  async supports() {
    this.#fake.check('supports')
    return { supported: true, subgraphs: [], errors: [] }
  }

  async deserialize(plan: Uint8Array | { path: string }, { onLog }: DeserializeOptions): Promise<NativeEngine> {
    this.#fake.check('deserialize')
    onLog({ severity: 'info', message: 'Loaded engine' })
    const bytes = plan instanceof Uint8Array ? plan : readFileSync(plan.path)
    return new FakeEngine(this.#fake, JSON.parse(Buffer.from(bytes).toString('utf8')) as FakePlan)
  }

  close(): void {
    if (this.#fake.live.engines > 0) throw nativeError('IN_USE')
  }
}

const bytesOf = (model: ModelBytes) => ('bytes' in model ? model.bytes : readFileSync(model.path))

class FakeEngine implements NativeEngine {
  readonly name = 'fake'
  readonly layers = 1
  readonly refittable = true
  readonly hardwareCompatibility = 'NONE'
  readonly profilingVerbosity = 'DETAILED'
  readonly fake: FakeNative
  readonly plan: FakePlan
  #disposed = false

  constructor(fake: FakeNative, plan: FakePlan) {
    this.fake = fake
    this.plan = plan
    fake.live.engines++
  }

  get tensors() {
    return this.plan.tensors
  }

  get profiles() {
    return Math.max(1, this.plan.profiles.length)
  }

  get auxStreams() {
    return this.fake.auxStreams
  }

  profileShape(tensor: string, profile: number) {
    const { min, opt, max } = this.plan.profiles[profile]![tensor]!
    return { min: [...min], opt: [...opt], max: [...max] }
  }

  profileValues(tensor: string, profile: number) {
    return this.profileShape(tensor, profile)
  }

  deviceMemoryBytes() {
    return 1000
  }

  weightStreaming() {
    return { streamableBytes: 0, budgetBytes: 0, automaticBudgetBytes: 0, scratchBytes: 0 }
  }

  setWeightStreamingBudget(): void {
    this.fake.check('setWeightStreamingBudget')
  }

  inspect() {
    this.fake.check('inspect')
    const output = { Name: 'y', Dimensions: [1], 'Format/Datatype': 'Row major linear FP32' }
    return JSON.stringify({
      Layers: [{ Name: 'copy', LayerType: 'Copy', Inputs: [output], Outputs: [output] }],
      Bindings: [],
    })
  }

  inspectLayer() {
    return '{}'
  }

  async serialize() {
    return new Uint8Array(1)
  }

  async refit() {
    this.fake.check('refit')
    return { missing: this.fake.refitMissing }
  }

  async createContext({ memory }: { memory: ContextMemory }): Promise<NativeContext> {
    this.fake.check('createContext')
    return new FakeContext(this, memory)
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return
    if (this.fake.live.contexts > 0) throw nativeError('IN_USE')
    this.#disposed = true
    this.fake.live.engines--
  }
}

class FakeContext implements NativeContext {
  readonly #engine: FakeEngine
  readonly #shapes = new Map<string, readonly number[]>()
  readonly #addresses = new Map<string, number>()
  readonly #allocated = new Map<string, ReturnType<CudaContext['allocate']>>()
  #profile: number | undefined
  #hasMemory: boolean
  #isProfiling = false
  #disposed = false

  constructor(engine: FakeEngine, memory: ContextMemory) {
    this.#engine = engine
    this.#hasMemory = memory !== 'user'
    engine.fake.live.contexts++
  }

  setProfile(index: number): void {
    this.#engine.fake.check('setProfile')
    if (index >= this.#engine.profiles) throw this.#refused('setOptimizationProfileAsync')
    this.#profile = index
    this.#shapes.clear()
  }

  async setProfileInThread(index: number): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.setProfile(index)
  }

  setInputShape(name: string, shape: readonly number[]): void {
    this.#engine.fake.check('setInputShape')
    const range = this.#engine.plan.profiles[this.#profile ?? -1]?.[name]
    const isInside = !range || range.values || shape.every((size, i) => range.min[i]! <= size && size <= range.max[i]!)
    if (this.#profile === undefined || !isInside) throw this.#refused('setInputShape')
    this.#shapes.set(name, shape)
  }

  inferShapes(): string[] {
    this.#engine.fake.check('inferShapes')
    return this.#inputs
      .filter(({ name, location }) => !this.#shapes.has(name) || (location === 'host' && !this.#addresses.has(name)))
      .map(({ name }) => name)
  }

  shapeOf(name: string): number[] {
    if (this.#engine.fake.dataDependent.includes(name)) return [-1]
    return [...(this.#shapes.get(name) ?? this.#shapes.get(this.#sourceOf(name)) ?? [])]
  }

  stridesOf(): number[] {
    return []
  }

  maxOutputBytes(name: string): number {
    return this.#bytesOf(this.#sourceOf(name))
  }

  setAddress(name: string, address: number): void {
    this.#addresses.set(name, address)
  }

  allocateOutput(name: string): void {
    this.#engine.fake.check('allocateOutput')
    this.#addresses.set(name, -1)
  }

  allocated(name: string) {
    const { address, sizeBytes } = this.#allocated.get(name)!
    return { address, sizeBytes, shape: [...this.#shapes.get(this.#sourceOf(name))!] }
  }

  setDeviceMemory(address: number, sizeBytes: number): void {
    this.#hasMemory = address > 0 && sizeBytes >= this.#engine.deviceMemoryBytes()
  }

  memoryForShapes(): number {
    return this.#engine.deviceMemoryBytes()
  }

  setAuxStreams(streams: readonly number[]): void {
    this.#engine.fake.check('setAuxStreams')
    if (streams.length !== this.#engine.auxStreams) throw this.#refused('setAuxStreams')
  }

  setPersistentCacheLimit(): void {
    this.#engine.fake.check('setPersistentCacheLimit')
  }

  setInputConsumedEvent(): void {}
  setNvtxVerbosity(): void {}

  enqueue(stream: number): void {
    this.#engine.fake.check('enqueue')
    this.#enqueue(stream)
  }

  async enqueueInThread(stream: number): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.#engine.fake.check('enqueueInThread')
    this.#enqueue(stream)
  }

  #enqueue(stream: number): void {
    if (this.#disposed || !this.#hasMemory || this.inferShapes().length > 0) throw this.#refused('enqueueV3')
    const { cuda } = this.#engine.fake
    for (const { name, location } of this.#outputs) {
      const source = this.#sourceOf(name)
      const [from, sizeBytes] = [this.#addresses.get(source), this.#bytesOf(source)]
      let to = this.#addresses.get(name)
      if (to === -1) to = this.#allocate(name, sizeBytes)
      if (from === undefined || to === undefined) throw this.#refused('enqueueV3')
      if (location === 'host') cuda.call('cuMemcpyDtoHAsync_v2', to, from, sizeBytes, stream)
      else cuda.call('cuMemcpyDtoDAsync_v2', to, from, sizeBytes, stream)
    }
  }

  #allocate(name: string, sizeBytes: number): number {
    const memory = this.#engine.fake.cuda.allocate(sizeBytes)
    this.#allocated.get(name)?.dispose()
    this.#allocated.set(name, memory)
    return memory.address
  }

  profile(on: boolean): void {
    this.#isProfiling = on
  }

  reportProfile() {
    if (!this.#isProfiling) throw this.#refused('reportToProfiler')
    return [{ name: 'copy', ms: 0.25 }]
  }

  inspect() {
    return this.#engine.inspect()
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return
    this.#disposed = true
    await new Promise((resolve) => setImmediate(resolve))
    this.#engine.fake.live.contexts--
    for (const memory of this.#allocated.values()) memory.dispose()
  }

  get #inputs() {
    return this.#engine.tensors.filter(({ mode }) => mode === 'input')
  }

  get #outputs() {
    return this.#engine.tensors.filter(({ mode }) => mode === 'output')
  }

  #sourceOf(output: string): string {
    return this.#inputs[this.#outputs.findIndex(({ name }) => name === output)]?.name ?? ''
  }

  /** Of float32, as all tensors of these tests are. */
  #bytesOf(input: string): number {
    return this.#shapes.get(input)!.reduce((product, size) => product * size, 4)
  }

  #refused(call: string): Error {
    return nativeError('REFUSED', { call, errors: [`${call} was called out of order`], log: [] })
  }
}
