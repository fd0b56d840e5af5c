import { createReadStream } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { BackendError, type Feeds, type LayerTiming, type TensorInfo } from '@lowlat/core'
import { decodeModel, encodeModel } from '@lowlat/onnx'
import type { InferenceSession } from 'onnxruntime-node'
import { mapGraphs } from './map-graphs.ts'
import { OrtWorker } from './ort-worker.ts'
import type { PlanModel } from './protocol.ts'
import { WorkerRunner } from './runners.ts'

/** Runs ahead of those that count: the first ones allocate memory and fill caches. */
const WARMUP_RUNS = 2

/** What is needed of an event of ONNX Runtime's trace; `dur` in microseconds. */
interface TraceEvent {
  readonly cat: string
  readonly name: string
  readonly dur: number
  readonly args: { readonly op_name?: string }
}

type Layer = Pick<LayerTiming, 'name' | 'operator'>

/**
 * Measures every layer over `runs` runs in a session and a thread of its own, which costs what loading the engine cost;
 * requests go on beside it, and each disturbs the other. Taking the time adds a few microseconds to each layer.
 * @throws as a run does.
 */
export async function profileLayers(
  model: PlanModel,
  options: InferenceSession.SessionOptions,
  inputs: readonly TensorInfo[],
  feeds: Feeds,
  runs: number,
): Promise<LayerTiming[]> {
  const folder = await mkdtemp(join(tmpdir(), 'lowlat-profile-'))
  try {
    const { bytes, layers } = await numbered(model)
    const profiling = { ...options, enableProfiling: true, profileFilePrefix: join(folder, 'trace') }
    const worker = new OrtWorker({ kind: 'create', model: { bytes }, options: profiling })
    try {
      const runner = new WorkerRunner(worker, inputs)
      for (let run = 0; run < WARMUP_RUNS + runs; run++) await runner.run(feeds, {}, () => {})
    } finally {
      await worker.dispose() // the session writes its trace when it ends
    }
    const [trace] = await readdir(folder)
    return await layerTimings(createReadStream(join(folder, trace ?? '')), layers, runs)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The model with a number as each node's name, and what stands behind it: the trace holds names without escaping them. */
async function numbered({ bytes }: PlanModel): Promise<{ bytes: Uint8Array; layers: Map<string, Layer> }> {
  const layers = new Map<string, Layer>()
  const model = decodeModel(bytes)
  const graph = await mapGraphs(model.graph ?? {}, async ({ node = [], ...rest }) => ({
    ...rest,
    node: node.map((each) => {
      const { name, opType: operator = '' } = each
      const number = `#${layers.size}`
      layers.set(number, { name: name || `${operator}_${layers.size}`, operator })
      return { ...each, name: number }
    }),
  }))
  return { bytes: encodeModel({ ...model, graph }), layers }
}

/**
 * Mean times per layer, in the order in which they end, from a trace of `WARMUP_RUNS` and `runs` runs: a JSON array with
 * one event per line, those of a run's nodes before that of the run. Nodes that are not in `layers`, which the library
 * added, keep the trace's names.
 * @throws BackendError RUN_FAILED when the library stopped recording (after a million events).
 */
export async function layerTimings(
  trace: NodeJS.ReadableStream,
  layers: ReadonlyMap<string, Layer>,
  runs: number,
): Promise<LayerTiming[]> {
  const times = new Map<string, { layer: Layer; totalUs: number; calls: number }>()
  let finished = 0
  for await (const line of createInterface({ input: trace })) {
    if (!line.startsWith('{')) continue // the brackets of the array
    const { cat, name, dur, args } = JSON.parse(line.replace(/,\s*$/, '')) as TraceEvent
    if (cat === 'Session' && name === 'model_run') finished++
    const node = cat === 'Node' ? /^(.*)_kernel_time$/.exec(name)?.[1] : undefined
    if (node === undefined || finished < WARMUP_RUNS) continue
    const layer = layers.get(node) ?? { name: node, operator: args.op_name ?? '' }
    const { totalUs, calls } = times.get(node) ?? { totalUs: 0, calls: 0 }
    times.set(node, { layer, totalUs: totalUs + dur, calls: calls + 1 })
  }
  if (finished < WARMUP_RUNS + runs) throw incomplete(finished - WARMUP_RUNS, runs)
  return [...times.values()].map(({ layer, totalUs, calls }) => ({ ...layer, meanUs: totalUs / calls, calls }))
}

function incomplete(received: number, expected: number): BackendError {
  return new BackendError('RUN_FAILED', {
    message: `Expected ${expected} runs in the profile, but ONNX Runtime recorded ${Math.max(0, received)}.`,
    remedy: 'Profile fewer runs: the library records a million events at most.',
    expected,
    received,
  })
}
