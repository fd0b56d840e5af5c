import type { Feeds } from '@lowlat/core'
import type { Graph } from '@lowlat/onnx'
import { collectStatistics, visitValues } from '../calibrate/collect.ts'
import { CalibrationTable } from '../calibrate/table.ts'
import { equalizableValues, equalize } from '../recover/equalize.ts'
import type { EvaluatorOptions } from './evaluator.ts'

/** A float model that is quantized, and what its values hold. */
export interface BaseModel {
  readonly graph: Graph
  readonly table: CalibrationTable
  /** Whether its channels were equalised. */
  readonly equalized: boolean
}

/**
 * The model with equalised channels; undefined where it has none that can be.
 * @param samples all that the table was made of: how large a channel becomes, and what equalised values hold, is measured
 * on them anew and takes the place of what the table says. A table alone does not know its channels, so that with fewer
 * samples than it has seen, values beyond their range would be clipped.
 */
export async function equalizedModel(
  { graph, table }: BaseModel,
  samples: readonly Feeds[],
  run: EvaluatorOptions,
): Promise<BaseModel | undefined> {
  const places = equalizableValues(graph)
  if (places.length === 0) return undefined
  const magnitudes = new Map<string, Float32Array>()
  const values = places.map(({ value }) => value)
  await visitValues(graph, values, samples, run, async (tensors) => {
    for (const name of values) addMagnitudes(magnitudes, name, tensors[name]!)
  })
  const equalized = equalize(graph, magnitudes)
  const changed = places
    .flatMap(({ computed, value }) => [computed, value])
    .filter((name) => table.histograms.has(name))
  const { histograms } = await collectStatistics(equalized, [...new Set(changed)], samples, run)
  const merged = new CalibrationTable(table.samples, new Map([...table.histograms, ...histograms]))
  return { graph: equalized, table: merged, equalized: true }
}

/** Of [N, C, ...]. */
function addMagnitudes(magnitudes: Map<string, Float32Array>, name: string, tensor: Feeds[string]): void {
  const [batch = 0, channels = 0, ...spatial] = tensor.shape
  const plane = spatial.reduce((a, b) => a * b, 1)
  const most = magnitudes.get(name) ?? new Float32Array(channels)
  magnitudes.set(name, most)
  const data = tensor.toFloat32()
  for (let row = 0; row < batch * channels; row++) {
    let own = most[row % channels]!
    for (let i = row * plane; i < (row + 1) * plane; i++) own = Math.max(own, Math.abs(data[i]!))
    most[row % channels] = own
  }
}
