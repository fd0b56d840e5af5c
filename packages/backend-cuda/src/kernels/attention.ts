import type { DeviceFacts } from '../program/constants.ts'
import { type Launch, pointerTo } from '../program/launch.ts'
import { structLayout } from '../program/struct.ts'
import type { View } from '../program/view.ts'
import { storageOf } from './epilogue.ts'

/** softmax(query keyT scale + mask) value, the softmax over the keys. */
export interface AttentionArgs {
  readonly precision: 'fp32' | 'fp16'
  /** [B, H, Q, D]: like key, value and output contiguous along the last axis, any other strides; all of one dtype. */
  readonly query: View
  /** [B, H, K, D] */
  readonly key: View
  /** [B, H, K, D] */
  readonly value: View
  /** [B, H, Q, D] */
  readonly output: View
  readonly scale: number
  /** float32 or float16, of shape [B, H, Q, K] with stride 0 where it broadcasts. */
  readonly mask?: View | undefined
  readonly device: DeviceFacts
}

const layout = structLayout({
  query: 'pointer',
  key: 'pointer',
  value: 'pointer',
  mask: 'pointer',
  output: 'pointer',
  queryBatch: 'int64',
  queryHead: 'int64',
  queryToken: 'int64',
  keyBatch: 'int64',
  keyHead: 'int64',
  keyToken: 'int64',
  valueBatch: 'int64',
  valueHead: 'int64',
  valueToken: 'int64',
  outputBatch: 'int64',
  outputHead: 'int64',
  outputToken: 'int64',
  maskBatch: 'int64',
  maskHead: 'int64',
  maskQuery: 'int64',
  maskKey: 'int64',
  heads: 'int32',
  queries: 'int32',
  keys: 'int32',
  headSize: 'int32',
  maskStorage: 'int32',
  scale: 'float32',
})

export { layout as attentionLayout }

/** Largest head that the kernels hold in registers. */
const headSizes = [32, 64, 128] as const

/** Why the kernels cannot compute it; undefined if they can. */
export function whyNotAttention(args: AttentionArgs): string | undefined {
  const { precision, query, key, value, output, mask } = args
  const headSize = query.shape[3]!
  const dtype = precision === 'fp16' ? 'float16' : 'float32'
  if (headSize > headSizes.at(-1)!) return `heads of ${headSize} elements are larger than ${headSizes.at(-1)}`
  if (value.shape[3] !== headSize) return `values of ${value.shape[3]} elements beside queries of ${headSize}`
  const [batch, heads] = query.shape
  if (batch! * heads! > 65535) return `${batch! * heads!} heads are more than 65535`
  for (const view of [query, key, value, output]) {
    if (view.dtype !== dtype) return `${precision} attention wants ${dtype}, got ${view.dtype}`
    if (view.strides[3] !== 1 && headSize > 1) return 'a head is not contiguous'
    // float16 is read and written in whole 16-byte pieces.
    const pieces = [headSize, view.offset, ...view.strides.slice(0, 3).filter((_, axis) => view.shape[axis]! > 1)]
    if (precision === 'fp16' && pieces.some((elements) => elements % 8 !== 0))
      return 'a head is not aligned to 16 bytes'
  }
  if (mask && mask.dtype !== 'float32' && mask.dtype !== 'float16') return `a mask of ${mask.dtype}`
  if (precision === 'fp16' && args.device.sharedBytesPerBlock < sharedBytesOf('fp16', sizeFor(headSize), 1))
    return 'a block has too little shared memory'
  return undefined
}

/** One launch for softmax(query keyT scale + mask) value. */
export function attention(args: AttentionArgs): Launch {
  const { precision, query, key, value, output, mask, device } = args
  const reason = whyNotAttention(args)
  if (reason) throw new Error(`No kernel for this attention: ${reason}.`)
  const [batch, heads, queries, headSize] = query.shape as [number, number, number, number]
  const keys = key.shape[2]!
  for (const [view, expected] of [
    [key, [batch, heads, keys, headSize]],
    [value, [batch, heads, keys, headSize]],
    [output, [batch, heads, queries, headSize]],
    ...(mask ? [[mask, [batch, heads, queries, keys]] as const] : []),
  ] as const)
    if (String(view.shape) !== String(expected)) throw new Error(`Attention wants [${expected}], got [${view.shape}].`)
  const size = sizeFor(headSize)
  // Fewer queries per block where there would be fewer blocks than multiprocessors.
  const queriesPerWarp = precision === 'fp16' ? 16 : 8
  let warps = 4
  while (warps > 1 && Math.ceil(queries / (warps * queriesPerWarp)) * batch * heads < device.multiprocessors) warps /= 2
  const steps = (name: string, { strides }: View) => ({
    [`${name}Batch`]: strides[0]!,
    [`${name}Head`]: strides[1]!,
    [`${name}Token`]: strides[2]!,
  })
  return {
    kernel: `attention_${precision === 'fp16' ? 'f16' : 'f32'}_${size}`,
    layout,
    grid: [Math.ceil(queries / (warps * queriesPerWarp)), batch * heads, 1],
    threads: warps * 32,
    sharedBytes: sharedBytesOf(precision, size, warps),
    arguments: {
      query: pointerTo(query),
      key: pointerTo(key),
      value: pointerTo(value),
      mask: mask && pointerTo(mask),
      output: pointerTo(output),
      ...steps('query', query),
      ...steps('key', key),
      ...steps('value', value),
      ...steps('output', output),
      maskBatch: mask?.strides[0] ?? 0,
      maskHead: mask?.strides[1] ?? 0,
      maskQuery: mask?.strides[2] ?? 0,
      maskKey: mask?.strides[3] ?? 0,
      heads,
      queries,
      keys,
      headSize,
      maskStorage: mask ? storageOf(mask) : 0,
      scale: args.scale,
    },
    reads: [query.buffer, key.buffer, value.buffer, ...(mask ? [mask.buffer] : [])],
    writes: [output.buffer],
    tactic: `${size}/${warps * queriesPerWarp} queries`,
  }
}

const sizeFor = (headSize: number): number => headSizes.find((size) => headSize <= size)!

/** Keys and values of two steps and the queries; in float32 of one step, with rows four words longer. */
function sharedBytesOf(precision: 'fp32' | 'fp16', size: number, warps: number): number {
  if (precision === 'fp32') return (2 * 32 + warps * 8) * (size + 4) * 4
  const keys = size === 128 ? 32 : 64
  return (2 * 2 * keys + warps * 16) * size * 2
}
