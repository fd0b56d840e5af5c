import type { Feeds } from '@lowlat/core'
import type { Graph } from '@lowlat/onnx'
import { visitValues } from '../calibrate/collect.ts'
import type { CalibrationTable } from '../calibrate/table.ts'
import { insertQdq } from '../insert/insert-qdq.ts'
import type { OutputErrorReport } from '../measure/output-error.ts'
import type { QuantizationParameters, Sites, WeightParameters } from '../sites.ts'
import type { Recipe } from '../targets/recipe.ts'
import type { WeightMethod } from '../weights/channel-scale.ts'
import { type CalibrationMethod, type Choice, calibrators } from './choice.ts'
import type { Evaluator, EvaluatorOptions } from './evaluator.ts'
import { LayerMoments } from './layer-moments.ts'
import { activationParameters, layersOf, weightParameters } from './parameters.ts'

/** Layers with longer vectors of inputs are rounded to nearest: solving for them takes minutes. */
const MOST_INPUTS_TO_SOLVE = 1300
/** Enough for a mean; for a covariance, more vectors than a layer has inputs. */
const OBSERVED = {
  means: { samples: 64, positions: 16 },
  covariance: { samples: 128, positions: 32 },
} as const

/** A choice that was tried, with what it costs on the calibration samples. */
export interface Trial {
  readonly choice: Choice
  readonly error: OutputErrorReport
}

export interface Candidate extends Trial {
  readonly parameters: QuantizationParameters
}

interface SearchTask {
  readonly graph: Graph
  readonly sites: Sites
  readonly recipe: Recipe
  readonly table: CalibrationTable
  readonly samples: readonly Feeds[]
  readonly evaluator: Evaluator
  readonly methods: readonly CalibrationMethod[]
  readonly weightMethods: readonly WeightMethod[]
  /** Whether biases may be corrected and weights rounded for their layer's output. */
  readonly recovery: boolean
  /** Signal to noise at which nothing further is tried. */
  readonly enoughDb: number
  readonly run: EvaluatorOptions
  readonly onTrial: (trial: Trial) => void
}

/**
 * Tries what may lower the error of the outputs, from the cheap to the expensive, and keeps what measurably does:
 * calibrators, then weight scales, then corrected biases, then rounding by reconstruction.
 */
export async function searchParameters(task: SearchTask): Promise<Candidate> {
  const search = new Search(task)
  await search.tryMethods()
  await search.tryWeights()
  if (task.recovery) {
    await search.tryBiases()
    if (search.best.error.sqnrDb < task.enoughDb) await search.tryRounding()
  }
  return search.best
}

class Search {
  readonly #task: SearchTask
  readonly #weights = new Map<WeightMethod, ReadonlyMap<string, WeightParameters>>()
  #best: Candidate | undefined

  constructor(task: SearchTask) {
    this.#task = task
  }

  get best(): Candidate {
    return this.#best!
  }

  async tryMethods(): Promise<void> {
    const [weights] = this.#task.weightMethods
    for (const method of this.#task.methods) {
      await this.#try({ method, weights: weights!, rounding: 'nearest', biases: 'model' })
    }
  }

  async tryWeights(): Promise<void> {
    for (const weights of this.#task.weightMethods.slice(1)) await this.#try({ ...this.best.choice, weights })
  }

  async tryBiases(): Promise<void> {
    const moments = await this.#observe(false)
    const { choice } = this.best
    const weights = this.#weightsOf(choice.weights)
    for (const biases of ['corrected', 'corrected with inputs'] as const) {
      await this.#try({ ...choice, biases }, weights, moments.correctedBiases(weights, biases))
    }
  }

  async tryRounding(): Promise<void> {
    const moments = await this.#observe(true)
    if (moments.isEmpty) return
    // Rounding keeps the spread of the outputs alone: their mean is left to the biases.
    const biases = this.best.choice.biases === 'model' ? 'corrected' : this.best.choice.biases
    for (const method of this.#task.weightMethods) {
      const weights = moments.rounded(this.#weightsOf(method))
      const choice: Choice = {
        ...this.best.choice,
        weights: method,
        rounding: 'reconstruction',
        biases,
      }
      await this.#try(choice, weights, moments.correctedBiases(weights, biases))
    }
  }

  async #try(
    choice: Choice,
    weights = this.#weightsOf(choice.weights),
    biases: ReadonlyMap<string, Float32Array> = new Map(),
  ): Promise<void> {
    const { graph, sites, recipe, table, evaluator, onTrial, run } = this.#task
    run.signal?.throwIfAborted()
    const calibrate = calibrators[choice.method]
    const activations = activationParameters(sites, table, recipe.activation, calibrate)
    const parameters = { activations, weights, biases }
    const error = await evaluator.errorOf(insertQdq(graph, sites, parameters, recipe))
    onTrial({ choice, error })
    // Not `<` alone: where nothing gives a number, the first choice stands.
    if (!this.#best || error.relativeError < this.#best.error.relativeError) {
      this.#best = { choice, error, parameters }
    }
  }

  #weightsOf(method: WeightMethod): ReadonlyMap<string, WeightParameters> {
    const { graph, sites, recipe } = this.#task
    const known = this.#weights.get(method) ?? weightParameters(graph, sites, recipe.weight, method)
    this.#weights.set(method, known)
    return known
  }

  /** Means, and covariances where asked for, of what the layers read under the best choice so far. */
  async #observe(covariance: boolean): Promise<LayerMoments> {
    const { graph, sites, samples, run } = this.#task
    const observed = covariance ? OBSERVED.covariance : OBSERVED.means
    const moments = new LayerMoments(layersOf(graph, sites), {
      covariance,
      positions: observed.positions,
      mostInputs: covariance ? MOST_INPUTS_TO_SOLVE : Number.POSITIVE_INFINITY,
    })
    if (moments.isEmpty) return moments
    const { activations } = this.best.parameters
    const some = samples.slice(0, observed.samples)
    await visitValues(graph, moments.values, some, run, async (values) => moments.add(values, activations))
    return moments
  }
}
