import koffi from 'koffi'

/** Objects that exist, and what tests injected. */
export interface SimulatorCounts {
  /** How often the primary context is retained. */
  readonly contexts: number
  readonly streams: number
  readonly events: number
  readonly modules: number
  readonly graphs: number
  readonly graphExecs: number
  readonly deviceAllocations: number
  readonly deviceBytes: number
  readonly pinnedAllocations: number
  readonly pinnedBytes: number
  /** Objects that were left when the last release of the context destroyed them. */
  readonly leaked: number
  /** Calls that failed because a test asked for it. */
  readonly faultsFired: number
}

/**
 * Faults, limits, schedules and counters of the simulated driver in this process; the driver itself is called by whoever
 * loads the same library.
 */
export class SimulatorControl {
  readonly #count: (kind: keyof SimulatorCounts) => number
  readonly #calls: (name: string) => number
  readonly #callLog: (text: Uint8Array | null, sizeBytes: number) => number
  readonly #message: () => string
  readonly #setSeed: (seed: number) => void
  readonly #failCall: (name: string, nth: number, result: number) => void
  readonly #clearFaults: () => void
  readonly #loseDevice: (result: number) => void
  readonly #setMemoryLimit: (bytes: number) => void
  readonly #hold: (held: number) => void
  readonly #requireContext: (required: number) => void
  readonly #resetCalls: () => void
  readonly #reset: () => void

  /** @param driverPath as `buildSimulator` gave it. */
  constructor(driverPath: string) {
    const library = koffi.load(driverPath)
    this.#count = library.func('double cudasim_count(const char *kind)')
    this.#calls = library.func('double cudasim_calls(const char *name)')
    this.#callLog = library.func('double cudasim_call_log(void *text, double size)')
    this.#message = library.func('const char *cudasim_message()')
    this.#setSeed = library.func('void cudasim_set_seed(double seed)')
    this.#failCall = library.func('void cudasim_fail_call(const char *name, double n, int status)')
    this.#clearFaults = library.func('void cudasim_clear_faults()')
    this.#loseDevice = library.func('void cudasim_lose_device(int status)')
    this.#setMemoryLimit = library.func('void cudasim_set_memory_limit(double bytes)')
    this.#hold = library.func('void cudasim_hold(int held)')
    this.#requireContext = library.func('void cudasim_require_context(int required)')
    this.#resetCalls = library.func('void cudasim_reset_calls()')
    this.#reset = library.func('void cudasim_reset()')
  }

  counts(): SimulatorCounts {
    return {
      contexts: this.#count('contexts'),
      streams: this.#count('streams'),
      events: this.#count('events'),
      modules: this.#count('modules'),
      graphs: this.#count('graphs'),
      graphExecs: this.#count('graphExecs'),
      deviceAllocations: this.#count('deviceAllocations'),
      deviceBytes: this.#count('deviceBytes'),
      pinnedAllocations: this.#count('pinnedAllocations'),
      pinnedBytes: this.#count('pinnedBytes'),
      leaked: this.#count('leaked'),
      faultsFired: this.#count('faultsFired'),
    }
  }

  /** Calls of the driver since the start or `resetCalls`: of this function, or of all. Names of errors are not counted. */
  calls(name = ''): number {
    return this.#calls(name)
  }

  /** How often each function was called. */
  callLog(): Record<string, number> {
    const bytes = new Uint8Array(this.#callLog(null, 0) + 4096)
    const used = this.#callLog(bytes, bytes.byteLength)
    const lines = Buffer.from(bytes.subarray(0, used - 1))
      .toString('utf8')
      .split('\n')
    return Object.fromEntries(lines.filter(Boolean).map((line) => [line.split(' ')[0]!, Number(line.split(' ')[1])]))
  }

  resetCalls(): void {
    this.#resetCalls()
  }

  /** What went wrong last on the device, and in which kernel; empty where nothing did. */
  get message(): string {
    return this.#message()
  }

  /** 0: threads, warps and blocks in order. Others: an order drawn at random, the same for the same seed and launches. */
  setSeed(seed: number): void {
    this.#setSeed(seed)
  }

  /**
   * Lets a call fail once: the `nth` from now (1: the next), of the function `name` or of all. A call that destroys
   * something still does it, as a real driver may that reports an earlier error; others have no effect.
   * @param result a CUresult.
   */
  failCall({ name = '', nth = 1, result }: { name?: string; nth?: number; result: number }): void {
    this.#failCall(name, nth, result)
  }

  /**
   * Lets a kernel fail on the device, after it was launched: the `nth` that starts from now. The error is sticky, as such
   * errors are: every later call in the context gives it, and what is queued behind the kernel never runs.
   */
  failKernel({ nth = 1, result }: { nth?: number; result: number }): void {
    this.#failCall('kernel', nth, result)
  }

  /** Forgets calls that were to fail and have not. */
  clearFaults(): void {
    this.#clearFaults()
  }

  /** Every call fails from now on and queued work never ends, until 0 is passed. @param result a CUresult. */
  loseDevice(result: number): void {
    this.#loseDevice(result)
  }

  setMemoryLimit(sizeBytes: number): void {
    this.#setMemoryLimit(sizeBytes)
  }

  /** Held, the device starts nothing: what is queued stays so. */
  hold(held: boolean): void {
    this.#hold(held ? 1 : 0)
  }

  /** Whether waiting for a stream or event needs a current context in the thread; by default the stream's own serves. */
  requireContext(required: boolean): void {
    this.#requireContext(required ? 1 : 0)
  }

  /** As in a fresh process: contexts and everything in them are gone, nothing is counted, limited or injected. */
  reset(): void {
    this.#reset()
  }
}
