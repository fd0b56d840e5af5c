/**
 * Requests side by side on one GPU: each context of a session is a CUDA stream with its own memory, so that one request's
 * copies overlap with another one's kernels. Shows what that brings, where the time of one run goes, and what ran where.
 *
 *   node index.ts [MODEL.onnx [fp32|fp16|int8]]
 *
 * Without a GPU the same code runs on the CPU, where contexts share the cores.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createSession, type Feeds, isLowlatError, type Precision, type Session, Tensor } from '@lowlat/core'
import { generateModel } from '@lowlat/onnx'

const [path, precision = 'fp16'] = process.argv.slice(2)
const model = path ?? generateModel('resnet50', { seed: 1 })
const REQUESTS = 64

const open = async (contexts: number): Promise<Session> => {
  const options = { contexts, profiles: [] }
  try {
    return await createSession(model, { ...options, backend: 'cuda', precision: precision as Precision })
  } catch (error) {
    if (!isLowlatError(error, 'BACKEND_UNAVAILABLE')) throw error
    if (contexts === 1) console.log(`${error.message}\nGoing on with the CPU.\n`)
    return await createSession(model, { ...options, backend: 'cpu' })
  }
}

/** One request: random values where the model leaves sizes open, one of everything. */
function randomFeeds(session: Session): Feeds {
  return Object.fromEntries(
    session.inputs.map(({ name, dtype, shape }) => {
      const tensor = Tensor.zeros(
        dtype,
        shape.map((size) => (typeof size === 'number' ? size : 1)),
      )
      if (tensor.data instanceof Float32Array) for (const i of tensor.data.keys()) tensor.data[i] = Math.random()
      return [name, tensor]
    }),
  )
}

console.log('streams  requests/s   p50 ms   p99 ms  event loop p99 ms')
for (const contexts of [1, 2, 4]) {
  await using session = await open(contexts)
  const feeds = randomFeeds(session)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const times: number[] = []
  // As many requests under way as there are streams, the next one when one ends.
  let left = REQUESTS
  const client = async () => {
    while (left-- > 0) {
      const start = performance.now()
      await session.run(feeds)
      times.push(performance.now() - start)
    }
  }
  await session.run(feeds)
  delay.enable()
  const start = performance.now()
  await Promise.all(Array.from({ length: contexts }, client))
  const seconds = (performance.now() - start) / 1000
  delay.disable()
  times.sort((a, b) => a - b)
  const [p50, p99] = [0.5, 0.99].map((share) => times[Math.ceil(share * times.length) - 1]!.toFixed(2))
  const loop = (delay.percentile(99) / 1e6).toFixed(2)
  console.log(
    [contexts, (times.length / seconds).toFixed(0), p50, p99, loop]
      .map((cell, i) => String(cell).padStart([7, 10, 8, 8, 18][i]!))
      .join(' '),
  )
}

await using session = await open(1)
const report = session.inspect()
const layers = report?.layers ?? []
const onHost = layers.filter((layer) => layer.precision === 'host')
console.log(
  `\n${session.backend}: ${layers.length || 'fused'} layers${onHost.length > 0 ? `, ${onHost.length} on the CPU` : ''}`,
)
const timings = await session.profile(randomFeeds(session), 10)
console.log('slowest layers, microseconds on average:')
for (const { name, operator, meanUs } of timings.toSorted((a, b) => b.meanUs - a.meanUs).slice(0, 5)) {
  console.log(`${meanUs.toFixed(1).padStart(9)}  ${operator} ${name}`)
}
