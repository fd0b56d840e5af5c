import type { Feeds } from '@lowlat/core'
import type { Simulation, SimulationSetting } from '../simulate/simulation.ts'

/** Means depend on the corrections of the layers before: a second and third round settle what the first one moved. */
const ROUNDS = 3

type Means = ReadonlyMap<string, Float32Array>

export interface BiasCorrectionTask {
  /** Simulations with `biases` over the same sites: one of the float model, one with the quantized weights. */
  readonly float: Simulation
  readonly quantized: Simulation
  readonly setting: SimulationSetting
  readonly samples: readonly Feeds[]
}

/**
 * Shifts of the biases, by node, under which every layer's output has the mean per channel that it has in float
 * (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", empirical variant).
 */
export async function correctBiases(task: BiasCorrectionTask): Promise<Means> {
  const { float, quantized, setting, samples } = task
  const wanted = await averageMeans(float, samples, { activations: new Map() })
  const shifts = new Map([...wanted].map(([node, mean]) => [node, new Float32Array(mean.length)] as const))
  for (let round = 0; round < ROUNDS; round++) {
    const means = await averageMeans(quantized, samples, { ...setting, biasDeltas: shifts })
    for (const [node, shift] of shifts) {
      const target = wanted.get(node)!
      const mean = means.get(node)!
      for (let channel = 0; channel < shift.length; channel++) shift[channel]! += target[channel]! - mean[channel]!
    }
  }
  return shifts
}

async function averageMeans(
  simulation: Simulation,
  samples: readonly Feeds[],
  setting: SimulationSetting,
): Promise<Means> {
  const sums = new Map<string, Float64Array>()
  for (const feeds of samples) {
    for (const [node, mean] of await simulation.means(feeds, setting)) {
      const sum = sums.get(node) ?? new Float64Array(mean.length)
      sums.set(node, sum)
      for (let channel = 0; channel < mean.length; channel++) sum[channel]! += mean[channel]!
    }
  }
  return new Map([...sums].map(([node, sum]) => [node, Float32Array.from(sum, (value) => value / samples.length)]))
}
