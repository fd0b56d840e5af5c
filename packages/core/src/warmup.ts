import type { Dim, Feeds, OptimizationProfile, TensorInfo } from './contract.ts'
import { byteLengthOf } from './dtype.ts'
import { BackendError, ConfigError, isLowlatError, messageOf } from './errors.ts'
import { rangeOf } from './profiles.ts'
import type { Session } from './session.ts'
import type { SessionOptions } from './session-options.ts'
import { type Shape, sizeOf, Tensor } from './tensor.ts'

/** Short runs are repeated, so that caches and clocks settle and an engine sees steady times. */
const MAX_RUNS = 20
const ENOUGH_US = 5_000
/** Zeros for one run beyond this are a mistake in a profile rather than a wish, and beyond what arrays hold. */
const MAX_FEED_BYTES = 2 ** 31

/**
 * Runs every profile at `opt` and at `max` on zeros, in every context. Without profiles it runs the model's fixed
 * shapes, with size 1 for a named first axis (the batch); models with other named axes are left cold, since nothing
 * says which sizes will be asked for. Feeds in `options.warmup` take the place of all these.
 *
 * @returns whether the largest shapes that can be asked for were among those that ran.
 * @throws ConfigError CONFIG_INVALID when the zeros would take more than 2 GiB; BackendError RUN_FAILED; AbortError.
 */
export async function warmUp(session: Session, { warmup, signal }: SessionOptions): Promise<boolean> {
  const { inputs, profiles } = session
  const fixed = inputs.every((info) => info.shape.every(isFixed))
  if (typeof warmup === 'object') {
    for (const feeds of warmup) await repeat(session, feeds, signal)
    return fixed
  }
  for (const shapes of warmupShapes(inputs, profiles)) {
    const feeds = zeros(inputs, shapes)
    try {
      await repeat(session, feeds, signal)
    } catch (error) {
      // Shapes come from the profiles: what is outside of them are values of inputs that are shapes.
      if (isLowlatError(error) && error.code !== 'RUN_FAILED' && error.code !== 'SHAPE_OUTSIDE_PROFILE') throw error
      throw new BackendError('RUN_FAILED', {
        message: `The warm-up, which runs the model on zeros (${describe(inputs, shapes)}), failed: ${messageOf(error)}`,
        remedy: 'Where zeros are no valid input, pass valid feeds (warmup: [feeds]) or none (warmup: false).',
        details: { shapes },
        cause: error,
      })
    }
  }
  return profiles.length > 0 || fixed
}

async function repeat(session: Session, feeds: Feeds, signal: AbortSignal | undefined): Promise<void> {
  const { clock, stats } = session
  const startUs = clock.nowUs()
  for (let run = 0; run < MAX_RUNS && (run === 0 || clock.nowUs() - startUs < ENOUGH_US); run++) {
    await Promise.all(Array.from({ length: stats.contexts }, () => session.run(feeds, signal ? { signal } : {})))
  }
}

/** One shape for each input, in the inputs' order. */
type Shapes = readonly Shape[]

/** The shapes to run, each once. */
function warmupShapes(inputs: readonly TensorInfo[], profiles: readonly OptimizationProfile[]): readonly Shapes[] {
  const at = (profile: OptimizationProfile, bound: 'opt' | 'max'): Shapes =>
    inputs.map((input) => rangeOf(profile, input.name)?.[bound] ?? input.shape.filter(isFixed))
  if (profiles.length > 0) {
    const all = profiles.flatMap((profile) => [at(profile, 'opt'), at(profile, 'max')])
    return [...new Map(all.map((shapes) => [JSON.stringify(shapes), shapes])).values()]
  }
  const onlyBatchOpen = inputs.every((input) => input.shape.slice(1).every(isFixed))
  return onlyBatchOpen ? [inputs.map(({ shape }) => shape.map((dim) => (isFixed(dim) ? dim : 1)))] : []
}

function zeros(inputs: readonly TensorInfo[], shapes: Shapes): Feeds {
  const sizeBytes = inputs.reduce((sum, { dtype }, i) => sum + byteLengthOf(dtype, sizeOf(shapes[i]!)), 0)
  if (sizeBytes > MAX_FEED_BYTES) {
    throw new ConfigError('CONFIG_INVALID', {
      message: `Expected a warm-up on at most ${MAX_FEED_BYTES} bytes of zeros, got ${sizeBytes} for ${describe(inputs, shapes)}.`,
      remedy: 'Lower the max of the profile, pass feeds of your own (warmup: [feeds]) or none (warmup: false).',
      expected: MAX_FEED_BYTES,
      received: sizeBytes,
    })
  }
  return Object.fromEntries(inputs.map(({ name, dtype }, i) => [name, Tensor.zeros(dtype, shapes[i]!)]))
}

function describe(inputs: readonly TensorInfo[], shapes: Shapes): string {
  return inputs.map(({ name }, i) => `${name} [${shapes[i]!.join(', ')}]`).join(', ')
}

const isFixed = (dim: Dim): dim is number => typeof dim === 'number'
