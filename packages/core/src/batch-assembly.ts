import type { Feeds, Fetches } from './contract.ts'
import { allocate, type DTypeArray } from './dtype.ts'
import { ModelError } from './errors.ts'
import { checkLength } from './feeds.ts'
import { sizeOf, Tensor } from './tensor.ts'

/** Requests with equal keys can share a batch: same inputs, dtypes and sizes but for the first axis. */
export function batchKey(feeds: Feeds): string {
  let key = ''
  for (const name of Object.keys(feeds).sort()) {
    const tensor = feeds[name]!
    key += `${name}:${tensor.dtype}:${tensor.shape.slice(1).join('x')};`
  }
  return key
}

/**
 * Joins requests along the first axis: one copy into new memory per input.
 * @throws InputError INPUT_BYTE_LENGTH when a request's memory is gone; INPUT_SHAPE when memory cannot hold the batch.
 */
export function concatFeeds(requests: readonly Feeds[]): Feeds {
  const joined: Record<string, Tensor> = Object.create(null)
  for (const name of Object.keys(requests[0]!)) {
    const parts = requests.map((feeds) => feeds[name]!)
    for (const part of parts) checkLength(part, name)
    const [{ dtype, shape }] = parts as [Tensor]
    const rows = parts.reduce((sum, part) => sum + part.shape[0]!, 0)
    const joinedShape = [rows, ...shape.slice(1)]
    const data = allocate(dtype, sizeOf(joinedShape))
    let offset = 0
    for (const part of parts) {
      copyInto(data, part.data, offset)
      offset += part.data.length
    }
    joined[name] = new Tensor(dtype, joinedShape, data)
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
  checkRows(
    fetches,
    rowCounts.reduce((sum, rows) => sum + rows, 0),
  )
  let start = 0
  return rowCounts.map((rows) => {
    const end = start + rows
    const part = Object.fromEntries(Object.entries(fetches).map(([name, tensor]) => [name, tensor.rows(start, end)]))
    start = end
    return part
  })
}

/** @throws ModelError MODEL_UNSUPPORTED when an output does not have one row per input row. */
export function checkRows(fetches: Fetches, rows: number): void {
  for (const [name, tensor] of Object.entries(fetches)) {
    if (tensor.shape[0] === rows) continue
    throw new ModelError('MODEL_UNSUPPORTED', {
      message: `Expected output '${name}' to have ${rows} rows, one per row of the input, got [${tensor.shape.join(', ')}].`,
      remedy:
        'Leave maxBatchSize at 1, or ask for other outputs: this one cannot be shared out to the requests of a batch.',
      expected: rows,
      received: tensor.shape,
      details: { output: name },
    })
  }
}
