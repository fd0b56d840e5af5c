import type { Feeds, Fetches } from './contract.ts'
import { type DTypeArray, dtypes } from './dtype.ts'
import { ModelError } from './errors.ts'
import { Tensor } from './tensor.ts'

/** Requests with equal keys can share a batch: same inputs, dtypes and sizes but for the first axis. */
export function batchKey(feeds: Feeds): string {
  let key = ''
  for (const name of Object.keys(feeds).sort()) {
    const tensor = feeds[name]!
    key += `${name}:${tensor.dtype}:${tensor.shape.slice(1).join('x')};`
  }
  return key
}

/** Joins requests along the first axis: one copy into new memory per input. */
export function concatFeeds(requests: readonly Feeds[]): Feeds {
  const joined: Record<string, Tensor> = {}
  for (const name of Object.keys(requests[0]!)) {
    const parts = requests.map((feeds) => feeds[name]!)
    const { dtype, shape } = parts[0]!
    const rows = parts.reduce((sum, part) => sum + part.shape[0]!, 0)
    const length = parts.reduce((sum, part) => sum + part.data.length, 0)
    const data = new dtypes[dtype].array(length)
    let offset = 0
    for (const part of parts) {
      copyInto(data, part.data, offset)
      offset += part.data.length
    }
    joined[name] = new Tensor(dtype, [rows, ...shape.slice(1)], data)
  }
  return joined
}

// 64-bit integers live in BigInt arrays, whose `set` does not take the other arrays; dtypes are equal here.
function copyInto(target: DTypeArray, source: DTypeArray, offset: number): void {
  ;(target as Uint8Array).set(source as Uint8Array, offset)
}

/**
 * The rows of each request, in order; views on the batch's outputs, without a copy.
 * @throws ModelError MODEL_UNSUPPORTED when an output does not have one row per input row.
 */
export function splitFetches(fetches: Fetches, rowCounts: readonly number[]): Fetches[] {
  const total = rowCounts.reduce((sum, rows) => sum + rows, 0)
  for (const [name, tensor] of Object.entries(fetches)) {
    if (tensor.shape[0] === total) continue
    throw new ModelError('MODEL_UNSUPPORTED', {
      message: `Expected output '${name}' to have ${total} rows, one per row of the batch, got [${tensor.shape.join(', ')}].`,
      remedy: 'This model cannot be batched along its first axis: leave maxBatchSize at 1.',
      expected: total,
      received: tensor.shape,
    })
  }
  let start = 0
  return rowCounts.map((rows) => {
    const end = start + rows
    const part = Object.fromEntries(Object.entries(fetches).map(([name, tensor]) => [name, tensor.rows(start, end)]))
    start = end
    return part
  })
}
