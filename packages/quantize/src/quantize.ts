import { createSession, describeValue, type Feeds, InputError } from '@lowlat/core'
import { Graph, graphFromFile, graphFromOnnx, onnxFromGraph } from '@lowlat/onnx'
import { collectStatistics, noSamples } from './calibrate/collect.ts'
import { similarRanges } from './calibrate/similar-ranges.ts'
import type { CalibrationTable } from './calibrate/table.ts'
import { checkNames } from './check-names.ts'
import { checkQuantizeOptions } from './check-options.ts'
import { type BaseModel, equalizedModel } from './choose/base-model.ts'
import { type CalibrationMethod, type Choice, calibrators } from './choose/choice.ts'
import { Evaluator } from './choose/evaluator.ts'
import { activationParameters, weightParameters } from './choose/parameters.ts'
import { type Candidate, searchParameters, type Trial } from './choose/search.ts'
import { foldableValues } from './fold/zero-points.ts'
import { convertToFloat16 } from './fp16/convert.ts'
import { type GateResult, passGate } from './gate.ts'
import { prepareGraph } from './graph/prepare.ts'
import { HybridModels } from './hybrid.ts'
import { insertQdq } from './insert/insert-qdq.ts'
import { findLeadingLayers } from './leading-layers.ts'
import type { OutputErrorReport } from './measure/output-error.ts'
import { nothingToQuantize } from './nothing-to-quantize.ts'
import type { LeadingLayers, Metric, QuantizeOptions, QuantizeReport } from './options.ts'
import { leaveRemainder, type Remainder } from './remainder.ts'
import { SampleReader } from './samples.ts'
import { measureSensitivity, type Sensitivity } from './sensitivity/sensitivity.ts'
import { Simulation } from './simulate/simulation.ts'
import type { QuantizationParameters, Sites } from './sites.ts'
import { compareSpeed, openToTime, timePairs } from './speed.ts'
import type { FloatParts, Recipe } from './targets/recipe.ts'
import { recipes } from './targets/recipes.ts'

/** Rounding by reconstruction, the expensive step, is left out where the outputs are this good without it. */
const ENOUGH_DB = 30
/** Below it models usually lose accuracy that is felt. */
const WORRYING_DB = 15
/** Below it the integers bring nothing that a user would notice. */
const LEAST_SPEEDUP = 1.1

const NOTHING_MEASURED =
  'The float model gives no finite number in any output on the samples: nothing could be measured, and the parameters are the plainest. Check the samples, and pass a metric with maxDrop.'

/** For models whose speed alone matters. */
const PLAINEST: Choice = {
  method: 'minmax',
  weights: 'absmax',
  equalized: false,
  foldedZeroPoints: false,
  rounding: 'nearest',
  biases: 'model',
}

/** What was left in float, and the parameters of the rest. */
type Hybrid = Remainder & Partial<Pick<GateResult, 'gate'>> & { readonly best: Candidate }

export interface Quantized {
  /** The model with Q/DQ nodes, as an ONNX file. */
  readonly model: Uint8Array
  /** The same as a graph; shares memory with the source's weights where they stayed. */
  readonly graph: Graph
  /** What was seen on the samples; serves other targets and methods of the same model. */
  readonly calibration: CalibrationTable
  readonly report: QuantizeReport
}

/**
 * Quantizes a float model to INT8 after training: measures the ranges of its activations on samples, chooses scales and
 * roundings by the error that they leave in the outputs, and inserts Q/DQ nodes where the target's kernels fuse them.
 * Everything runs on a backend in the background; memory does not grow with the number of samples.
 * @param model a file, ONNX bytes, or a graph, which is not changed.
 * @throws ConfigError CONFIG_INVALID; InputError INVALID_ARGUMENT for samples that do not fit; ModelError MODEL_INVALID,
 * MODEL_UNSUPPORTED where there is nothing to quantize, ACCURACY_NOT_REACHED; AbortError; errors of the backend.
 */
export async function quantize(model: string | URL | Uint8Array | Graph, options: QuantizeOptions): Promise<Quantized> {
  checkQuantizeOptions(options)
  const graph = prepareGraph(await graphOf(model))
  return new Quantization(graph, options).run()
}

/**
 * What each activation and each weight costs when it alone is quantized for the target, worst first: where accuracy is
 * lost, and what `keepFloat` should name.
 * @throws as {@link quantize}.
 */
export async function sensitivity(
  model: string | URL | Uint8Array | Graph,
  options: QuantizeOptions,
): Promise<readonly Sensitivity[]> {
  checkQuantizeOptions(options)
  return new Quantization(prepareGraph(await graphOf(model)), options).sensitivity()
}

async function graphOf(model: string | URL | Uint8Array | Graph): Promise<Graph> {
  if (model instanceof Graph) return model
  return model instanceof Uint8Array ? graphFromOnnx(model) : graphFromFile(model)
}

class Quantization {
  readonly #graph: Graph
  readonly #options: QuantizeOptions
  readonly #recipe: Recipe
  #keepFloat: FloatParts
  readonly #reader: SampleReader
  readonly #warnings: string[] = []
  readonly #trials: Trial[] = []
  #shared: Promise<Evaluator> | undefined
  /** From calibration on. */
  #isSimilar: ReturnType<typeof similarRanges> | undefined

  constructor(graph: Graph, options: QuantizeOptions) {
    const { nodes = [], values = [] } = options.keepFloat ?? {}
    this.#graph = graph
    this.#options = options
    this.#recipe = recipes[options.target ?? 'cpu']
    this.#keepFloat = { nodes: new Set(nodes), values: new Set(values) }
    this.#reader = new SampleReader(options.samples, graph)
    checkNames(graph, this.#keepFloat)
  }

  get #run() {
    return { backend: this.#options.backend ?? 'cpu', signal: this.#options.signal }
  }

  /** Whether times measured here are those of the target. */
  get #runsOnTarget(): boolean {
    const { backend } = this.#run
    return (typeof backend === 'string' ? backend : backend.name) === this.#recipe.target
  }

  /** That has rows. */
  get #firstSample(): Feeds {
    return this.#reader.kept.find(this.#reader.rowsOf)!
  }

  async run(): Promise<Quantized> {
    const table = await this.#calibrate(this.#sites())
    this.#isSimilar = similarRanges(table, this.#recipe.activation)
    const base = { graph: this.#graph, table, equalized: false }
    const leading = await this.#leaveLeadingLayers(base)
    const found = await this.#search(this.#sites(), base, () => this.#equalized(base))
    const hybrid = await this.#hybrid(found)
    const best = hybrid?.best ?? found
    const chosen = this.#sites(hybrid?.floats)
    const { graph, inFloat16 } = this.#insert(chosen, best)
    const error = hybrid || inFloat16 > 0 ? await (await this.#evaluator()).errorOf(graph) : best.error
    if (error.elements === 0) this.#warn(NOTHING_MEASURED)
    if (!hybrid?.gate && error.sqnrDb < WORRYING_DB) this.#warn(lossWarning(error))
    const speed = await this.#compareSpeed(graph)
    const report: QuantizeReport = {
      target: this.#recipe.target,
      samples: table.samples,
      choice: best.choice,
      error,
      trials: this.#trials,
      activations: chosen.activations.length,
      weights: chosen.weights.length,
      inFloat: hybrid?.inFloat ?? [],
      ...(leading && { leading }),
      inFloat16,
      ...(hybrid?.gate && { gate: hybrid.gate }),
      ...(speed && { speed }),
      warnings: this.#warnings,
    }
    return { model: onnxFromGraph(graph), graph, calibration: table, report }
  }

  /** What each part costs alone, under the method asked for and otherwise the plainest parameters. */
  async sensitivity(): Promise<readonly Sensitivity[]> {
    const { method = 'auto', weights = 'auto' } = this.#options
    const sites = this.#sites()
    const table = await this.#calibrate(sites)
    const calibrate = calibrators[method === 'auto' ? 'minmax' : method]
    return this.#rank(this.#graph, {
      activations: activationParameters(sites, table, this.#recipe.activation, calibrate),
      weights: weightParameters(this.#graph, sites, this.#recipe.weight, weights === 'auto' ? 'mse' : weights),
      biases: new Map(),
    })
  }

  /** @throws ModelError MODEL_UNSUPPORTED where the target finds nothing to quantize in the whole model. */
  #sites(floats?: FloatParts): Sites {
    const inFloat = floats ? this.#with(floats) : this.#keepFloat
    const sites = this.#recipe.sites(this.#graph, inFloat, this.#isSimilar)
    if (!floats && sites.weights.length === 0) throw nothingToQuantize(this.#graph)
    return sites
  }

  /** Ranges for every target at once: the values differ little, and one calibration then serves all. */
  async #calibrate(sites: Sites): Promise<CalibrationTable> {
    const { calibration, onProgress } = this.#options
    const all = Object.values(recipes).map((recipe) => recipe.sites(this.#graph))
    const wanted = new Set([sites, ...all].flatMap(valuesOf))
    if (calibration) {
      await this.#reader.keep()
      if (this.#reader.kept.length === 0) throw noSamples('none')
    }
    const table =
      calibration ??
      (await collectStatistics(this.#graph, [...wanted], this.#reader.read(), {
        ...this.#run,
        onSample: (completed) => onProgress?.({ phase: 'calibrate', completed }),
      }))
    if (!this.#reader.kept.some(this.#reader.rowsOf)) throw noSamples('batches without rows')
    return table
  }

  /** Undefined also where the table holds more than the samples at hand can tell, see {@link equalizedModel}. */
  async #equalized(base: BaseModel): Promise<BaseModel | undefined> {
    if (this.#options.calibration || !this.#reader.keptAll) return undefined
    return equalizedModel(base, this.#reader.kept, this.#run)
  }

  #evaluator(): Promise<Evaluator> {
    this.#shared ??= Evaluator.create(this.#graph, this.#reader.kept, this.#run)
    return this.#shared
  }

  /** Adds to what stays in float, for all that follows. */
  async #leaveLeadingLayers(base: BaseModel): Promise<LeadingLayers | undefined> {
    const { leadingLayers = 'auto', onProgress } = this.#options
    if (leadingLayers === 'int8' || !this.#runsOnTarget) return undefined
    const sites = this.#sites()
    const weights = weightParameters(base.graph, sites, this.#recipe.weight, 'absmax')
    const parameters = { activations: new Map(), weights, biases: new Map() }
    const build = (inFloat: readonly string[]) =>
      this.#insert(this.#sites({ nodes: new Set(inFloat) }), { choice: PLAINEST, parameters, base }).graph
    const leading = await findLeadingLayers({
      layers: sites.weights.map(({ node }) => node),
      open: (inFloat) => openToTime(build(inFloat), this.#run),
      time: (first, second, effort) => timePairs(first, second, this.#firstSample, effort, this.#run.signal),
      onTimed: (layers, speedup) => onProgress?.({ phase: 'leading', layers, speedup }),
    })
    if (leading) this.#keepFloat = this.#with({ nodes: new Set(leading.names) })
    return leading
  }

  async #search(
    sites: Sites,
    base: BaseModel,
    equalized: () => Promise<BaseModel | undefined> = async () => undefined,
  ): Promise<Candidate> {
    const { method = 'auto', weights = 'auto', recovery = 'auto', onProgress } = this.#options
    return searchParameters({
      base,
      equalized,
      sites,
      recipe: this.#recipe,
      samples: this.#reader.kept,
      rowsOf: this.#reader.rowsOf,
      evaluator: await this.#evaluator(),
      methods: method === 'auto' ? (Object.keys(calibrators) as CalibrationMethod[]) : [method],
      weightMethods: weights === 'auto' ? ['mse', 'absmax'] : [weights],
      recovery: recovery === 'auto',
      enoughDb: ENOUGH_DB,
      run: this.#run,
      onTrial: (trial) => {
        this.#trials.push(trial)
        onProgress?.({ phase: 'search', trial })
      },
    })
  }

  /** The model with sites that may not be those of the search: with parts in float, others may be in need of Q/DQ. */
  #insert(
    sites: Sites,
    { choice, parameters, base }: Pick<Candidate, 'choice' | 'parameters' | 'base'>,
  ): { graph: Graph; inFloat16: number } {
    const { graph, table } = base
    const { floatParts = this.#recipe.floatParts } = this.#options
    const foldable = choice.foldedZeroPoints ? foldableValues(graph, sites, this.#recipe) : new Set<string>()
    const calibrate = calibrators[choice.method]
    const activations = activationParameters(sites, table, this.#recipe.activation, calibrate, foldable)
    const quantized = insertQdq(graph, sites, { ...parameters, activations }, this.#recipe)
    this.#recipe.finish?.(quantized)
    if (floatParts === 'fp32') return { graph: quantized, inFloat16: 0 }
    const half = convertToFloat16(quantized, { ranges: table })
    // Where nothing changes its type the model stays as it was inserted, not cleaned up once more.
    return half.report.converted > 0
      ? { graph: half.graph, inFloat16: half.report.converted }
      : { graph: quantized, inFloat16: 0 }
  }

  async #hybrid(found: Candidate): Promise<Hybrid | undefined> {
    const { maxDrop } = this.#options
    const models = new HybridModels(found, {
      sites: (floats) => this.#sites(floats),
      insert: (sites, candidate) => this.#insert(sites, candidate).graph,
      rank: (graph, parameters) => this.#rank(graph, parameters),
      search: (sites, base) => this.#search(sites, base),
    })
    const passed = maxDrop === undefined ? await this.#leaveRemainder(found, models) : await this.#gate(maxDrop, models)
    return passed && { ...passed, best: models.best }
  }

  #gate(maxDrop: number, models: HybridModels): Promise<GateResult> {
    const { metric, onProgress } = this.#options
    return passGate({
      metric: metric?.name ?? 'cosine',
      maxDrop,
      evaluate: async (quantized) => {
        if (metric) return this.#evaluate(metric, quantized ?? this.#graph)
        return quantized ? (await (await this.#evaluator()).errorOf(quantized)).cosine : 1
      },
      build: async (floats) => models.build(floats),
      rank: () => models.rankAndChoose(),
      onEvaluated: (value, drop, inFloat) => onProgress?.({ phase: 'gate', metric: value, drop, inFloat }),
    })
  }

  async #leaveRemainder(found: Candidate, models: HybridModels): Promise<Remainder | undefined> {
    const { leastSqnrDb = this.#recipe.leastSqnrDb ?? 'none', onProgress } = this.#options
    if (leastSqnrDb === 'none') return undefined
    return leaveRemainder({
      leastSqnrDb,
      sqnrDb: found.error.sqnrDb,
      measure: async (floats) => {
        const graph = models.build(floats)
        return graph && (await (await this.#evaluator()).errorOf(graph)).sqnrDb
      },
      rank: () => models.rank(),
      onMeasured: (sqnrDb, inFloat) =>
        onProgress?.({ phase: 'gate', metric: sqnrDb, drop: leastSqnrDb - sqnrDb, inFloat }),
    })
  }

  async #rank(graph: Graph, parameters: QuantizationParameters): Promise<readonly Sensitivity[]> {
    const { onProgress, signal } = this.#options
    const sites = this.#sites()
    await using simulation = await Simulation.create(graph, sites, {
      activationType: this.#recipe.activation.dtype,
      weights: parameters.weights,
      switchableWeights: true,
      ...this.#run,
    })
    return await measureSensitivity({
      sites,
      parameters,
      simulation,
      samples: this.#reader.kept,
      rowsOf: this.#reader.rowsOf,
      onStep: (completed, total) => onProgress?.({ phase: 'sensitivity', completed, total }),
      signal,
    })
  }

  async #evaluate(metric: Metric, graph: Graph): Promise<number> {
    const { signal } = this.#run
    await using session = await createSession(onnxFromGraph(graph), { ...this.#run, cache: false, warmup: false })
    const value: unknown = await metric.evaluate((feeds) => session.run(feeds, signal ? { signal } : {}))
    if (typeof value === 'number' && Number.isFinite(value)) return value
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected a finite number from the metric '${metric.name}', got ${describeValue(value)}.`,
      remedy: 'Return how good the model is from evaluate, higher is better.',
      received: value,
      details: { metric: metric.name },
    })
  }

  /** Measured where the model will run on what it was quantized with; on other targets only they can tell. */
  async #compareSpeed(quantized: Graph): Promise<QuantizeReport['speed']> {
    if (!this.#runsOnTarget) return undefined
    const speed = await compareSpeed(this.#graph, quantized, this.#firstSample, this.#run)
    this.#options.onProgress?.({ phase: 'speed', ...speed })
    if (speed.speedup < LEAST_SPEEDUP) {
      this.#warn(
        `The model gains nothing from INT8 on '${this.#recipe.target}': ${speed.floatUs.toFixed(0)} us in float, ${speed.quantizedUs.toFixed(0)} us quantized (${speed.speedup.toFixed(2)}x). Keep the float model.`,
      )
    }
    return speed
  }

  #warn(message: string): void {
    this.#warnings.push(message)
    this.#options.onProgress?.({ phase: 'warning', message })
  }

  #with({ nodes = new Set(), values = new Set() }: FloatParts): FloatParts {
    const keep = this.#keepFloat
    return {
      nodes: new Set([...(keep.nodes ?? []), ...nodes]),
      values: new Set([...(keep.values ?? []), ...values]),
    }
  }
}

function lossWarning({ sqnrDb, cosine }: OutputErrorReport): string {
  return `The outputs are far from those of the float model (${sqnrDb.toFixed(1)} dB, cosine ${cosine.toFixed(4)}). Set maxDrop: the parts that lose it then stay in float.`
}

const valuesOf = (sites: Sites) => sites.activations.map(({ value }) => value)
