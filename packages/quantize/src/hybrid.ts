import type { Graph } from '@lowlat/onnx'
import type { BaseModel } from './choose/base-model.ts'
import type { Candidate } from './choose/search.ts'
import { floatPartsOf } from './gate.ts'
import type { Sensitivity } from './sensitivity/sensitivity.ts'
import type { QuantizationParameters, Sites } from './sites.ts'
import type { FloatParts } from './targets/recipe.ts'

/** Share of the error that all parts make alone, together, above which a part hides what the others do. */
const RUINOUS_SHARE = 0.2

interface HybridTask {
  sites(floats: FloatParts): Sites
  insert(sites: Sites, candidate: Candidate): Graph
  /** What each part costs alone, worst first. */
  rank(graph: Graph, parameters: QuantizationParameters): Promise<readonly Sensitivity[]>
  /** Parameters for fewer sites. */
  search(sites: Sites, base: BaseModel): Promise<Candidate>
}

/** Models with parts in float, all made of one choice of parameters. */
export class HybridModels {
  readonly #task: HybridTask
  #best: Candidate

  constructor(found: Candidate, task: HybridTask) {
    this.#best = found
    this.#task = task
  }

  get best(): Candidate {
    return this.#best
  }

  /** Undefined where nothing is left to quantize. */
  build(floats: FloatParts): Graph | undefined {
    const sites = this.#task.sites(floats)
    return sites.weights.length === 0 ? undefined : this.#task.insert(sites, this.#best)
  }

  rank(): Promise<readonly Sensitivity[]> {
    return this.#task.rank(this.#best.base.graph, this.#best.parameters)
  }

  /**
   * The same, and the choice anew without what ruins the outputs: beside it nothing that the search tried made a
   * difference. It takes as long as the first choice.
   */
  async rankAndChoose(): Promise<readonly Sensitivity[]> {
    const found = this.#best
    const ranked = await this.rank()
    const ruinous = ruinousOf(ranked)
    if (ruinous.length > 0) {
      const sites = this.#task.sites(floatPartsOf(ruinous))
      this.#best = completed(await this.#task.search(sites, found.base), found)
    }
    return ranked
  }
}

/** Parts that alone make up so much of the error that the others do not show. */
function ruinousOf(ranked: readonly Sensitivity[]): Sensitivity[] {
  const total = ranked.reduce((sum, { error }) => sum + error.relativeError, 0)
  return ranked.filter(({ error: { relativeError } }) =>
    Number.isFinite(relativeError) ? relativeError > RUINOUS_SHARE * total : true,
  )
}

/** With the parameters of an earlier choice for layers that were in float when this one was made. */
function completed(choice: Candidate, earlier: Candidate): Candidate {
  const { weights, biases, activations } = choice.parameters
  const missing = <T>(all: ReadonlyMap<string, T>) => [...all].filter(([node]) => !weights.has(node))
  const parameters = {
    activations,
    weights: new Map([...missing(earlier.parameters.weights), ...weights]),
    biases: new Map([...missing(earlier.parameters.biases), ...biases]),
  }
  return { ...choice, parameters }
}
