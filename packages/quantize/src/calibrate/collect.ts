import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  type Backend,
  createSession,
  type Feeds,
  InputError,
  isLowlatError,
  type Tensor,
  throwIfAborted,
} from '@lowlat/core'
import { cloneGraph, exposeValues, type Graph, inferTypes, onnxFromGraph } from '@lowlat/onnx'
import { Histogram } from '../observe/histogram.ts'
import { CalibrationTable } from './table.ts'

interface VisitOptions {
  /** Where the float model runs; default 'cpu'. */
  readonly backend?: string | Backend
  readonly signal?: AbortSignal | undefined
  /** Called after every sample with the number of samples so far. */
  readonly onSample?: ((samples: number) => void) | undefined
}

export interface CollectOptions extends VisitOptions {
  /** Sees all values of every sample as well. */
  readonly onValues?: (values: Feeds) => void
}

/**
 * Runs the float model on samples, each one request of any batch size, and counts the values' elements.
 * @throws InputError INVALID_ARGUMENT for no samples, and for a value that is not finite (it names both), OUTPUT_UNKNOWN
 * for a value that the graph does not have; errors of the backend and of the samples' source as they come.
 */
export async function collectStatistics(
  graph: Graph,
  values: readonly string[],
  samples: Iterable<Feeds> | AsyncIterable<Feeds>,
  options: CollectOptions = {},
): Promise<CalibrationTable> {
  const histograms = new Map(values.map((name) => [name, new Histogram()]))
  const count = await visitValues(graph, values, samples, options, async (tensors, sample) => {
    for (const [name, histogram] of histograms) {
      addTo(histogram, tensors[name]!, name, sample)
      await nextTurn()
    }
    options.onValues?.(tensors)
  })
  return new CalibrationTable(count, histograms)
}

/**
 * Runs a model on samples and shows what the values hold, sample by sample. Keeps two samples at a time, however many
 * there are: one is visited while the next one runs.
 * @returns the number of samples.
 * @throws as {@link collectStatistics}.
 */
export async function visitValues(
  source: Graph,
  values: readonly string[],
  samples: Iterable<Feeds> | AsyncIterable<Feeds>,
  options: VisitOptions,
  visit: (values: Feeds, sample: number) => Promise<void>,
): Promise<number> {
  const { backend = 'cpu', signal, onSample } = options
  const graph = withOutputs(source, values)
  const names = graph.outputs.map((value) => value.name)
  const computed = names.filter((name) => values.includes(name))
  // Where only inputs are looked at the model still runs: what it refuses is no sample.
  const outputs = computed.length > 0 ? computed : names
  const bytes = onnxFromGraph(graph)
  await using session = await createSession(bytes, { backend, cache: false, warmup: false, signal })
  let count = 0
  let running: Promise<void> = Promise.resolve()
  let visited: Promise<void> = Promise.resolve()
  for await (const feeds of samples) {
    throwIfAborted(signal, 'Quantizing the model')
    await running
    const sample = count++
    const fetches = session.run(feeds, { outputs, ...(signal && { signal }) })
    const before = visited
    running = fetches.then(() => {})
    visited = Promise.all([fetches, before]).then(async ([all]) => {
      await visit({ ...feeds, ...all }, sample)
      onSample?.(sample + 1)
    })
    // Both are reported where they are awaited.
    running.catch(() => {})
    visited.catch(() => {})
    await before
  }
  await running
  await visited
  if (count > 0) return count
  throw noSamples('none')
}

export function noSamples(received: string): InputError {
  return new InputError('INVALID_ARGUMENT', {
    message: `Expected samples to calibrate and to measure with, got ${received}.`,
    remedy: 'Pass a hundred typical inputs, preprocessed as in production.',
    received,
  })
}

/** The model with further values as outputs. Its inputs are there already. */
function withOutputs(source: Graph, values: readonly string[]): Graph {
  const graph = cloneGraph(source)
  inferTypes(graph) // outputs have to be declared
  const inputs = new Set(graph.inputs.map((value) => value.name))
  return exposeValues(
    graph,
    values.filter((name) => !inputs.has(name)),
  )
}

function addTo(histogram: Histogram, tensor: Tensor, name: string, sample: number): void {
  try {
    histogram.add(tensor.toFloat32())
  } catch (error) {
    if (!isLowlatError(error, 'INVALID_ARGUMENT')) throw error
    throw new InputError('INVALID_ARGUMENT', {
      message: `Sample ${sample} cannot be calibrated at '${name}': ${error.message}`,
      remedy: error.remedy,
      details: { sample, value: name },
      cause: error,
    })
  }
}
