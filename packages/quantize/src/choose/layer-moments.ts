import type { Feeds } from '@lowlat/core'
import { InputMoments, type InputMomentsOptions } from '../recover/input-moments.ts'
import { type LayerGeometry, layerGeometry } from '../recover/layer-geometry.ts'
import { biasShift, roundWeights } from '../recover/round-weights.ts'
import type { Rows } from '../rows.ts'
import type { ActivationParameters, WeightParameters } from '../sites.ts'
import type { Choice } from './choice.ts'
import type { Layer } from './parameters.ts'

interface Observed {
  readonly layer: Layer
  readonly geometry: LayerGeometry
  readonly moments: InputMoments
}

/** What the layers of a model read, and what can be mended with that knowledge. */
export class LayerMoments {
  readonly #layers: readonly Observed[]

  /** @param mostInputs layers with longer vectors of inputs are left out: the work grows with their third power. */
  constructor(layers: readonly Layer[], options: InputMomentsOptions & { readonly mostInputs: number }) {
    this.#layers = layers.flatMap((layer) => {
      const geometry = layerGeometry(layer.node, layer.site.index, layer.weight.shape)
      if (!geometry || geometry.inputs > options.mostInputs) return []
      return [{ layer, geometry, moments: new InputMoments(geometry, options) }]
    })
  }

  get isEmpty(): boolean {
    return this.#layers.length === 0
  }

  /** The activations that have to be shown. */
  get values(): string[] {
    return [...new Set(this.#layers.map(({ layer }) => layer.site.input))]
  }

  /** @param activations how the layers see their inputs; as they are when absent. */
  add(values: Feeds, rows: Rows, activations?: ReadonlyMap<string, ActivationParameters>): void {
    for (const { layer, moments } of this.#layers) {
      moments.add(values[layer.site.input]!, activations?.get(layer.site.input), rows)
    }
  }

  /** Weights whose integers are chosen for the output of their layer; the others stay as they are. */
  rounded(weights: ReadonlyMap<string, WeightParameters>): Map<string, WeightParameters> {
    const rounded = new Map(weights)
    for (const { layer, geometry, moments } of this.#layers) {
      const { node } = layer.site
      const better = roundWeights(layer.weight.tensor, weights.get(node)!, geometry, moments)
      if (better) rounded.set(node, better)
    }
    return rounded
  }

  /** Biases with the shift of their layer's mean taken back, by node, of the layers that have an input for one. */
  correctedBiases(
    weights: ReadonlyMap<string, WeightParameters>,
    biases: Exclude<Choice['biases'], 'model'>,
  ): Map<string, Float32Array> {
    const reference = biases === 'corrected' ? 'quantized inputs' : 'float inputs'
    const corrected = new Map<string, Float32Array>()
    for (const { layer, geometry, moments } of this.#layers) {
      const bias = layer.node.inputs[2]
      if (layer.node.opType === 'MatMul' || (bias && !bias.initializer)) continue
      const shift = biasShift(layer.weight.tensor, weights.get(layer.site.node)!, geometry, moments, reference)
      const old = bias?.initializer?.tensor.toFloat32()
      corrected.set(layer.site.node, old ? shift.map((value, channel) => value + old[channel]!) : shift)
    }
    return corrected
  }
}
