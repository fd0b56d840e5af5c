import { type Backend, createSession, type Feeds, type Fetches } from '@lowlat/core'
import { type Graph, onnxFromGraph } from '@lowlat/onnx'
import { OutputError, type OutputErrorReport } from '../measure/output-error.ts'

/** Outputs of the float model that are kept to compare with. */
const MOST_BYTES = 256 * 2 ** 20

export interface EvaluatorOptions {
  readonly backend: string | Backend
  readonly signal?: AbortSignal | undefined
}

/** Measures how far variants of a model are from it, on the same samples. */
export class Evaluator {
  readonly #samples: readonly Feeds[]
  readonly #reference: readonly Fetches[]
  readonly #options: EvaluatorOptions

  private constructor(samples: readonly Feeds[], reference: readonly Fetches[], options: EvaluatorOptions) {
    this.#samples = samples
    this.#reference = reference
    this.#options = options
  }

  /** Runs the float model; uses as many of the samples as their outputs may be kept. */
  static async create(float: Graph, samples: readonly Feeds[], options: EvaluatorOptions): Promise<Evaluator> {
    const reference: Fetches[] = []
    let bytes = 0
    await runAll(float, samples, options, (fetches) => {
      reference.push(fetches)
      bytes += Object.values(fetches).reduce((sum, tensor) => sum + tensor.byteLength, 0)
      return bytes < MOST_BYTES
    })
    return new Evaluator(samples.slice(0, reference.length), reference, options)
  }

  async errorOf(variant: Graph): Promise<OutputErrorReport> {
    const error = new OutputError()
    await runAll(variant, this.#samples, this.#options, (fetches, sample) => {
      error.add(this.#reference[sample]!, fetches)
      return true
    })
    return error.report
  }
}

/** Runs a model on samples until `take` wants no more. */
async function runAll(
  graph: Graph,
  samples: readonly Feeds[],
  { backend, signal }: EvaluatorOptions,
  take: (fetches: Fetches, sample: number) => boolean,
): Promise<void> {
  await using session = await createSession(onnxFromGraph(graph), { backend, cache: false, warmup: false, signal })
  for (const [sample, feeds] of samples.entries()) {
    const fetches = await session.run(feeds, signal ? { signal } : {})
    if (!take(fetches, sample)) return
  }
}
