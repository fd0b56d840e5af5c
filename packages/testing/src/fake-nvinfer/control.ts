import koffi from 'koffi'

/** ErrorCode of TensorRT: what an error recorder is told. */
export const nvinferErrors = {
  unspecified: 1,
  internal: 2,
  invalidArgument: 3,
  invalidConfig: 4,
  outOfMemory: 5,
  failedInitialization: 6,
  failedExecution: 7,
  invalidState: 9,
} as const

type TextCall = (text: Uint8Array | null, sizeBytes: number) => number

/** Faults, timing and counters of a stand-in for TensorRT in this process; others call it through the same library. */
export class FakeNvinferControl {
  readonly #alive: (name: string) => number
  readonly #calls: (name: string) => number
  readonly #callLog: TextCall
  readonly #violations: TextCall
  readonly #failCall: (name: string, nth: number, code: number) => void
  readonly #faultsFired: () => number
  readonly #setBuild: (steps: number, stepMs: number, noiseThreads: number) => void
  readonly #setGpuName: (name: string) => void
  readonly #refuseCapture: (refuse: number) => void
  readonly #forgetPlugins: () => void
  readonly #use: (method: string) => void
  readonly #hold: (held: number) => void
  readonly #reset: () => void

  /** @param nvinferPath as `buildFakeNvinfer` gave it. */
  constructor(nvinferPath: string) {
    const library = koffi.load(nvinferPath)
    this.#alive = library.func('double fake_nvinfer_alive(const char *name)')
    this.#calls = library.func('double fake_nvinfer_calls(const char *name)')
    this.#callLog = library.func('double fake_nvinfer_call_log(void *text, double size)')
    this.#violations = library.func('double fake_nvinfer_violations(void *text, double size)')
    this.#failCall = library.func('void fake_nvinfer_fail_call(const char *name, double n, int code)')
    this.#faultsFired = library.func('double fake_nvinfer_faults_fired()')
    this.#setBuild = library.func('void fake_nvinfer_set_build(int steps, double step_ms, int noise_threads)')
    this.#setGpuName = library.func('void fake_nvinfer_set_gpu_name(const char *name)')
    this.#refuseCapture = library.func('void fake_nvinfer_refuse_capture(int refuse)')
    this.#forgetPlugins = library.func('void fake_nvinfer_forget_plugins()')
    this.#use = library.func('void fake_nvinfer_use(const char *method)')
    this.#hold = library.func('void fake_nvinfer_hold(int held)')
    this.#reset = library.func('void fake_nvinfer_reset()')
  }

  /** Objects of a class of the tables ('ExecutionContext') that have not been destroyed, or of all. */
  alive(className = ''): number {
    return this.#alive(className)
  }

  /** Calls since the start or `reset` of a method ('Builder.createNetworkV2') or function, or of all. */
  calls(name = ''): number {
    return this.#calls(name)
  }

  /** How often each method and function was called. */
  callLog(): Record<string, number> {
    return Object.fromEntries(
      lines(this.#callLog).map((line) => [line.split(' ')[0]!, Number(line.split(' ')[1])] as const),
    )
  }

  /** What callers did that TensorRT leaves undefined: objects destroyed too early, or used by two threads or runs at once. */
  violations(): string[] {
    return lines(this.#violations)
  }

  /**
   * Lets a call fail once: the `nth` from now (1: the next) of a method ('Runtime.deserializeCudaEngine') or function
   * ('createInferBuilder_INTERNAL'). It gives null, false, 0, or dimensions of count -1, and has no effect.
   * @param code what the object's log and error recorder are told; 0: nothing.
   */
  failCall({ name, nth = 1, code = 0 }: { name: string; nth?: number; code?: number }): void {
    this.#failCall(name, nth, code)
  }

  get faultsFired(): number {
    return this.#faultsFired()
  }

  /** How builds go. @param noiseThreads how many threads log meanwhile, a line each millisecond. */
  setBuild({
    steps = 4,
    stepMs = 0,
    noiseThreads = 1,
  }: {
    steps?: number
    stepMs?: number
    noiseThreads?: number
  }): void {
    this.#setBuild(steps, stepMs, noiseThreads)
  }

  /** The GPU that plans and timing caches are made for and checked against; '': that of the driver. */
  setGpuName(name: string): void {
    this.#setGpuName(name)
  }

  /** Whether enqueueV3 fails on a stream that is being captured. */
  refuseCapture(refuse: boolean): void {
    this.#refuseCapture(refuse ? 1 : 0)
  }

  /** Plugin libraries count as not loaded, as in a process that begins. Engines that use them must be gone. */
  forgetPlugins(): void {
    this.#forgetPlugins()
  }

  /** As if this thread called a method ('Builder.reset') of all objects that have it: for what excludes other threads. */
  use(method: string): void {
    this.#use(method)
  }

  /** Held, builds wait at their next step. */
  hold(held: boolean): void {
    this.#hold(held ? 1 : 0)
  }

  /** Nothing is counted, injected or set any more; objects stay. */
  reset(): void {
    this.#reset()
  }
}

function lines(call: TextCall): string[] {
  const bytes = new Uint8Array(call(null, 0) + 4096)
  const used = call(bytes, bytes.byteLength)
  return Buffer.from(bytes.subarray(0, used - 1))
    .toString('utf8')
    .split('\n')
    .filter(Boolean)
}
