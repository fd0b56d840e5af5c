import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  type Backend,
  createSession,
  type Feeds,
  type Fetches,
  InputError,
  isLowlatError,
  type Tensor,
} from '@lowlat/core'
import { type Graph, graphFromModel, modelFromGraph, onnxFromGraph } from '@lowlat/onnx'
import { Histogram } from '../observe/histogram.ts'
import { CalibrationTable } from './table.ts'

export interface CollectOptions {
  /** Where the float model runs; default 'cpu'. */
  readonly backend?: string | Backend
  readonly signal?: AbortSignal | undefined
  /** Called after every sample with the number of samples so far. */
  readonly onSample?: (samples: number) => void
}

/**
 * Runs the float model on samples, each one request of any batch size, and counts the values' elements. Holds two samples
 * at a time, however many there are; observes one while the next one runs, and leaves the event loop free between values.
 * @throws InputError INVALID_ARGUMENT for no samples, and for a value that is not finite (it names both); errors of the
 * backend and of the samples' source as they come.
 */
export async function collectStatistics(
  source: Graph,
  values: readonly string[],
  samples: Iterable<Feeds> | AsyncIterable<Feeds>,
  options: CollectOptions = {},
): Promise<CalibrationTable> {
  const { backend = 'cpu', signal, onSample } = options
  const graph = withOutputs(source, values)
  const computed = graph.outputs.map((value) => value.name).filter((name) => values.includes(name))
  const histograms = new Map(values.map((name) => [name, new Histogram()]))
  await using session = await createSession(onnxFromGraph(graph), { backend, cache: false, warmup: false, signal })
  const observe = async (tensors: Feeds | Fetches, sample: number) => {
    for (const [name, histogram] of histograms) {
      const tensor = tensors[name]
      if (!tensor) continue
      addTo(histogram, tensor, name, sample)
      await nextTurn()
    }
  }
  let count = 0
  let running: Promise<void> = Promise.resolve()
  let observed: Promise<void> = Promise.resolve()
  for await (const feeds of samples) {
    signal?.throwIfAborted()
    await running
    const sample = count++
    const fetches = session.run(feeds, { outputs: computed, ...(signal && { signal }) })
    const before = observed
    running = fetches.then(() => {})
    observed = Promise.all([fetches, before]).then(async ([all]) => {
      await observe({ ...feeds, ...all }, sample)
      onSample?.(sample + 1)
    })
    // Both are reported where they are awaited.
    running.catch(() => {})
    observed.catch(() => {})
    await before
  }
  await running
  await observed
  if (count === 0) {
    throw new InputError('INVALID_ARGUMENT', {
      message: 'Expected samples to calibrate with, got none.',
      remedy: 'Pass a hundred typical inputs, preprocessed as in production.',
      received: 0,
    })
  }
  return new CalibrationTable(count, histograms)
}

/** The model with further values as outputs; weights are shared. */
function withOutputs(source: Graph, values: readonly string[]): Graph {
  const graph = graphFromModel(modelFromGraph(source))
  const known = new Map([...graph.values()].map((value) => [value.name, value]))
  for (const name of values) {
    const value = known.get(name)!
    if (value.producer && !graph.outputs.includes(value)) {
      graph.addOutput(value, { elementType: value.elementType ?? 'float32', shape: value.shape })
    }
  }
  return graph
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
