import { type Feeds, throwIfAborted } from '@lowlat/core'
import { visitValues } from '../calibrate/collect.ts'
import { foldableValues } from '../fold/zero-points.ts'
import { insertQdq } from '../insert/insert-qdq.ts'
import type { OutputErrorReport } from '../measure/output-error.ts'
import { firstRows } from '../rows.ts'
import type { QuantizationParameters, Sites, WeightParameters } from '../sites.ts'
import type { Recipe } from '../targets/recipe.ts'
import type { WeightMethod } from '../weights/channel-scale.ts'
import type { BaseModel } from './base-model.ts'
import { type CalibrationMethod, type Choice, calibrators } from './choice.ts'
import type { Evaluator, EvaluatorOptions } from './evaluator.ts'
import { LayerMoments } from './layer-moments.ts'
import { activationParameters, layersOf, weightParameters } from './parameters.ts'

/** Layers with longer vectors of inputs are rounded to nearest: solving for them takes minutes. */
const MOST_INPUTS_TO_SOLVE = 1300
/** Enough for a mean; for a covariance, more vectors than a layer has inputs. */
const OBSERVED = {
  means: { rows: 64, positions: 16 },
  covariance: { rows: 128, positions: 32 },
} as const

/** A choice that was tried, with what it costs on the calibration samples. */
export interface Trial {
  readonly choice: Choice
  readonly error: OutputErrorReport
}

export interface Candidate extends Trial {
  readonly parameters: QuantizationParameters
  /** The float model that the parameters are for. */
  readonly base: BaseModel
}

/** What a trial changes beside what its choice says; the rest is that of the best one so far. */
interface Changes {
  readonly base?: BaseModel
  readonly weights?: ReadonlyMap<string, WeightParameters>
  readonly biases?: ReadonlyMap<string, Float32Array>
}

interface SearchTask {
  readonly base: BaseModel
  /** The same with equalised channels; undefined where there are none, or where that is settled already. */
  readonly equalized: () => Promise<BaseModel | undefined>
  readonly sites: Sites
  readonly recipe: Recipe
  readonly samples: readonly Feeds[]
  /** Number of rows in a sample. */
  readonly rowsOf: (feeds: Feeds) => number
  readonly evaluator: Evaluator
  readonly methods: readonly CalibrationMethod[]
  readonly weightMethods: readonly WeightMethod[]
  /** Whether zero points may be folded, channels be equalised, biases be corrected and weights rounded for their layer's output. */
  readonly recovery: boolean
  /** Signal to noise at which nothing further is tried. */
  readonly enoughDb: number
  readonly run: EvaluatorOptions
  readonly onTrial: (trial: Trial) => void
}

/**
 * Tries what may lower the error of the outputs, from the cheap to the expensive, and keeps what measurably does:
 * zero points and equal channels, calibrators, then weight scales, then corrected biases, then rounding by reconstruction.
 */
export async function searchParameters(task: SearchTask): Promise<Candidate> {
  const search = new Search(task)
  await search.start()
  if (task.recovery) await search.tryFolding()
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
  readonly #weights = new Map<BaseModel, Map<WeightMethod, ReadonlyMap<string, WeightParameters>>>()
  readonly #foldable: ReadonlySet<string>
  #best: Candidate | undefined

  constructor(task: SearchTask) {
    const { base, sites, recipe } = task
    this.#task = task
    this.#foldable = foldableValues(base.graph, sites, recipe)
  }

  get best(): Candidate {
    return this.#best!
  }

  async start(): Promise<void> {
    const [method] = this.#task.methods
    const [weights] = this.#task.weightMethods
    const { equalized } = this.#task.base
    const how = { rounding: 'nearest', biases: 'model', equalized, foldedZeroPoints: false } as const
    await this.#try({ method: method!, weights: weights!, ...how })
  }

  async tryFolding(): Promise<void> {
    if (this.#foldable.size > 0) await this.#try({ ...this.best.choice, foldedZeroPoints: true })
    const base = await this.#task.equalized()
    if (base) await this.#try({ ...this.best.choice, equalized: base.equalized }, { base })
  }

  async tryMethods(): Promise<void> {
    for (const method of this.#task.methods.slice(1)) await this.#try({ ...this.best.choice, method })
  }

  async tryWeights(): Promise<void> {
    for (const weights of this.#task.weightMethods.slice(1)) await this.#try({ ...this.best.choice, weights })
  }

  async tryBiases(): Promise<void> {
    const moments = await this.#observe(false)
    const { choice } = this.best
    const weights = this.#weightsOf(choice.weights)
    for (const biases of ['corrected', 'corrected with inputs'] as const) {
      await this.#try({ ...choice, biases }, { weights, biases: moments.correctedBiases(weights, biases) })
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
      await this.#try(choice, { weights, biases: moments.correctedBiases(weights, biases) })
    }
  }

  async #try(choice: Choice, changes: Changes = {}): Promise<void> {
    const { sites, recipe, evaluator, onTrial, run } = this.#task
    throwIfAborted(run.signal, 'Quantizing the model')
    const base = changes.base ?? this.#base
    const { weights = this.#weightsOf(choice.weights, base), biases = new Map() } = changes
    const foldable = choice.foldedZeroPoints ? this.#foldable : new Set<string>()
    const calibrate = calibrators[choice.method]
    const activations = activationParameters(sites, base.table, recipe.activation, calibrate, foldable)
    const parameters = { activations, weights, biases }
    const error = await evaluator.errorOf(insertQdq(base.graph, sites, parameters, recipe))
    onTrial({ choice, error })
    // Not `<` alone: where nothing gives a number, the first choice stands.
    if (!this.#best || error.relativeError < this.#best.error.relativeError) {
      this.#best = { choice, error, parameters, base }
    }
  }

  get #base(): BaseModel {
    return this.#best?.base ?? this.#task.base
  }

  #weightsOf(method: WeightMethod, base = this.#base): ReadonlyMap<string, WeightParameters> {
    const { sites, recipe } = this.#task
    const ofBase = this.#weights.get(base) ?? new Map<WeightMethod, ReadonlyMap<string, WeightParameters>>()
    const known = ofBase.get(method) ?? weightParameters(base.graph, sites, recipe.weight, method)
    this.#weights.set(base, ofBase.set(method, known))
    return known
  }

  /** Means, and covariances where asked for, of what the layers read under the best choice so far. */
  async #observe(covariance: boolean): Promise<LayerMoments> {
    const { sites, samples, rowsOf, run } = this.#task
    const { graph } = this.#base
    const observed = covariance ? OBSERVED.covariance : OBSERVED.means
    const moments = new LayerMoments(layersOf(graph, sites), {
      covariance,
      positions: observed.positions,
      mostInputs: covariance ? MOST_INPUTS_TO_SOLVE : Number.POSITIVE_INFINITY,
    })
    if (moments.isEmpty) return moments
    const { activations } = this.best.parameters
    const some = firstRows(samples, rowsOf, observed.rows)
    const feeds = some.map((sample) => sample.feeds)
    await visitValues(graph, moments.values, feeds, run, async (values, sample) =>
      moments.add(values, some[sample]!.rows, activations),
    )
    return moments
  }
}
