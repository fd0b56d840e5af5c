import type { ResolvedOptions } from './options.ts'
import { createSimdKernel, FREE_MEMORY_START, type SimdPlan } from './simd.ts'

type Values = Pick<ResolvedOptions, 'channelOrder' | 'scale' | 'mean' | 'std' | 'layout'>

/**
 * Pixels that are copied into the kernel's memory at a time: 3 bytes in and 12 out fit into its page. After a decode the
 * caches are cold, and half as many chunks take a few percent less time than chunks that fit into the first level.
 */
const CHUNK_PIXELS = 4096
const INPUT = FREE_MEMORY_START
const OUTPUT = 12_800

/**
 * float32 normalisation by the WebAssembly kernel: normalises as many whole groups of four pixels as there are, and returns how many pixels that were.
 * Undefined where there is no WebAssembly SIMD.
 */
export function createVectorNormalize(
  options: Values,
): ((pixels: Uint8Array, out: Float32Array) => number) | undefined {
  const planar = options.layout === 'NCHW'
  const kernel = createSimdKernel(planFor(options))
  if (!kernel) return undefined
  const input = new Uint8Array(kernel.memory, INPUT, CHUNK_PIXELS * 3)
  const output = new Float32Array(kernel.memory, OUTPUT, CHUNK_PIXELS * 3)
  const planes = [0, 1, 2].map((c) => output.subarray(c * CHUNK_PIXELS, (c + 1) * CHUNK_PIXELS))
  const apartBytes = planar ? CHUNK_PIXELS * 4 : 16

  return (pixels, out) => {
    const count = pixels.length / 3
    const end = count - (count % 4)
    for (let start = 0; start < end; start += CHUNK_PIXELS) {
      const length = Math.min(CHUNK_PIXELS, end - start)
      input.set(pixels.subarray(start * 3, (start + length) * 3))
      kernel.run(length / 4, INPUT, OUTPUT, OUTPUT + apartBytes, OUTPUT + 2 * apartBytes, planar ? 16 : 48)
      const whole = length === CHUNK_PIXELS
      if (!planar) out.set(whole ? output : output.subarray(0, length * 3), start * 3)
      else for (let c = 0; c < 3; c++) out.set(whole ? planes[c]! : planes[c]!.subarray(0, length), c * count + start)
    }
    return end
  }
}

/** Planes take every third byte; interleaved elements follow each other, with channels that rotate from one to the next. */
function planFor({ layout, channelOrder, ...values }: Values): SimdPlan {
  const { factors, summands } = constantsOf(values)
  const element = (vector: number, lane: number) => (layout === 'NCHW' ? lane * 3 + vector : vector * 4 + lane)
  const perLane = (at: (element: number) => number) =>
    [0, 1, 2].map((j) => [0, 1, 2, 3].map((lane) => at(element(j, lane))) as [number, number, number, number])
  return {
    bytes: perLane((i) => (channelOrder === 'RGB' ? i : i - (i % 3) + 2 - (i % 3))),
    factors: perLane((i) => factors[i % 3]!),
    summands: perLane((i) => summands[i % 3]!),
  }
}

/** Per channel of the tensor, in float32: x * factor + summand. */
export function constantsOf({ scale, mean, std }: Pick<Values, 'scale' | 'mean' | 'std'>): {
  factors: readonly number[]
  summands: readonly number[]
} {
  return {
    factors: scale.map((value, c) => Math.fround(value / std[c]!)),
    summands: mean.map((value, c) => Math.fround(-value / std[c]!)),
  }
}
