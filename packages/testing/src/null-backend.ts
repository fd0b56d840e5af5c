import {
  type Backend,
  type Clock,
  type Feeds,
  type Fetches,
  type OptimizationProfile,
  Session,
  systemClock,
  Tensor,
  type TensorInfo,
} from '@lowlat/core'

export interface NullBackendOptions {
  readonly inputs?: readonly TensorInfo[]
  readonly outputs?: readonly TensorInfo[]
  /** What a run returns or throws; default: zeros, with the first input's size for every named axis. */
  readonly compute?: (feeds: Feeds) => Fetches
  /** How long a run takes. Default 0. */
  readonly runUs?: number
  readonly clock?: Clock
}

/** What the null backend did, for tests. */
export interface NullBackendLog {
  compiles: number
  loads: number
  runs: number
  /** Contexts and engines that were not disposed. */
  alive: number
  running: number
  maxRunning: number
}

const vector: readonly TensorInfo[] = [{ name: 'x', dtype: 'float32', shape: ['batch', 4] }]

/** A backend that computes nothing: it runs the whole stack without a model, a library or hardware. */
export function nullBackend(options: NullBackendOptions = {}): Backend & { log: NullBackendLog } {
  const { inputs = vector, outputs = [{ ...vector[0]!, name: 'y' }], runUs = 0, clock = systemClock } = options
  const log: NullBackendLog = { compiles: 0, loads: 0, runs: 0, alive: 0, running: 0, maxRunning: 0 }
  const compute = options.compute ?? ((feeds: Feeds) => zeros(feeds, inputs, outputs))
  const living = () => {
    log.alive++
    return async () => {
      log.alive--
    }
  }
  return {
    name: 'null',
    log,
    probe: async () => ({ available: true, devices: [{ name: 'nothing' }] }),
    planKey: async () => ({ inputs, outputs }),
    async compile(_model, { profiles }) {
      log.compiles++
      return {
        backend: 'null',
        inputs,
        outputs,
        profiles,
        metadata: {},
        payload: { kind: 'bytes', bytes: new Uint8Array(8) },
      }
    },
    async load(plan) {
      log.loads++
      return {
        inputs: plan.inputs,
        outputs: plan.outputs,
        profiles: plan.profiles,
        inspect: () => ({ backend: 'null', properties: { runUs } }),
        async createContext() {
          return {
            async run(feeds, { outputs: wanted } = {}) {
              log.runs++
              log.maxRunning = Math.max(log.maxRunning, ++log.running)
              try {
                if (runUs > 0) await new Promise<void>((resolve) => clock.setTimer(runUs, resolve))
                const fetches = compute(feeds)
                return wanted ? Object.fromEntries(wanted.map((name) => [name, fetches[name]!])) : fetches
              } finally {
                log.running--
              }
            },
            [Symbol.asyncDispose]: living(),
          }
        },
        [Symbol.asyncDispose]: living(),
      }
    },
  }
}

export interface NullSessionOptions extends NullBackendOptions {
  readonly contexts?: number
  readonly maxQueue?: number
  readonly profiles?: readonly OptimizationProfile[]
}

/** A session over the null backend on a clock of the test's own, without compiling, caching or warming up. */
export async function nullSession(
  options: NullSessionOptions = {},
): Promise<{ session: Session; log: NullBackendLog }> {
  const { contexts = 1, maxQueue = 1024, profiles = [], clock = systemClock } = options
  const backend = nullBackend(options)
  const plan = await backend.compile(
    { kind: 'bytes', bytes: new Uint8Array(1) },
    { precision: 'model', profiles, backendOptions: {}, workFolder: '' },
  )
  const engine = await backend.load(plan, { backendOptions: {} })
  const session = await Session.create({ engine, backend: 'null', selection: [], contexts, maxQueue, clock })
  return { session, log: backend.log }
}

function zeros(feeds: Feeds, inputs: readonly TensorInfo[], outputs: readonly TensorInfo[]): Fetches {
  const sizes = new Map(
    inputs.flatMap((input) => input.shape.map((dim, axis) => [dim, feeds[input.name]!.shape[axis]!] as const)),
  )
  return Object.fromEntries(
    outputs.map(({ name, dtype, shape }) => {
      const dims = shape.map((dim) => (typeof dim === 'number' ? dim : (sizes.get(dim) ?? 1)))
      return [name, Tensor.zeros(dtype, dims)]
    }),
  )
}
