import { type Backend, createSession, type Feeds, type Fetches, type Session, Tensor } from '@lowlat/core'
import { type Graph, onnxFromGraph } from '@lowlat/onnx'
import type { ActivationParameters, ActivationSite, QuantizedType, Sites, WeightParameters } from '../sites.ts'
import { controls, simulationGraph } from './simulation-graph.ts'

interface SimulationOptions {
  /** Type of the activations; default 'uint8'. */
  readonly activationType?: QuantizedType
  /** Weights to simulate, by node; none when absent. */
  readonly weights?: ReadonlyMap<string, WeightParameters>
  /** Let each run choose which of the weights are quantized. */
  readonly switchableWeights?: boolean
  /** Biases instead of those of the model, by node. */
  readonly biases?: ReadonlyMap<string, Float32Array>
  /** Where to run; default 'cpu'. */
  readonly backend?: string | Backend
  readonly signal?: AbortSignal | undefined
}

/** What one run quantizes and how. */
export interface SimulationSetting {
  /** By value; sites that are absent stay float. */
  readonly activations: ReadonlyMap<string, ActivationParameters>
  /** Nodes whose weights are quantized, where weights can be switched; all when absent. */
  readonly weights?: ReadonlySet<string>
}

/**
 * A float model in which every choice of the quantizer can be tried without compiling anew: one model, and a setting
 * per run. Results are those of Q/DQ computed in float, as ONNX defines them.
 */
export class Simulation implements AsyncDisposable {
  readonly #session: Session
  readonly #outputs: readonly string[]
  readonly #sites: readonly ActivationSite[]
  readonly #weightNodes: readonly string[]
  readonly #options: SimulationOptions

  private constructor(session: Session, graph: Graph, sites: Sites, options: SimulationOptions) {
    this.#session = session
    this.#outputs = graph.outputs.map((value) => value.name)
    this.#sites = sites.activations
    this.#weightNodes = sites.weights.map((site) => site.node).filter((node) => options.weights?.has(node))
    this.#options = options
  }

  /** @param graph prepared: every node has a unique name. */
  static async create(graph: Graph, sites: Sites, options: SimulationOptions = {}): Promise<Simulation> {
    const { weights = new Map(), switchableWeights = false, biases = new Map(), activationType = 'uint8' } = options
    const simulation = simulationGraph(graph, sites, { weights, switchableWeights, biases, activationType })
    const session = await createSession(onnxFromGraph(simulation), {
      backend: options.backend ?? 'cpu',
      cache: false,
      warmup: false,
      signal: options.signal,
    })
    return new Simulation(session, graph, sites, options)
  }

  /** The model's own outputs under a setting. */
  run(feeds: Feeds, setting: SimulationSetting): Promise<Fetches> {
    return this.#session.run({ ...feeds, ...this.#controls(setting) }, { outputs: this.#outputs })
  }

  dispose(): Promise<void> {
    return this.#session.dispose()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #controls({ activations, weights }: SimulationSetting): Feeds {
    const feeds: Record<string, Tensor> = {}
    const { activationType = 'uint8' } = this.#options
    const count = this.#sites.length
    if (count > 0) {
      const scales = new Float32Array(count).fill(1)
      const zeroPoints = activationType === 'uint8' ? new Uint8Array(count) : new Int8Array(count)
      const enabled = new Uint8Array(count)
      for (const [index, { value }] of this.#sites.entries()) {
        const parameters = activations.get(value)
        if (!parameters) continue
        scales[index] = parameters.scale
        zeroPoints[index] = parameters.zeroPoint
        enabled[index] = 1
      }
      feeds[controls.scales] = new Tensor('float32', [count], scales)
      feeds[controls.zeroPoints] = Tensor.fromBytes(activationType, [count], new Uint8Array(zeroPoints.buffer))
      feeds[controls.activationsEnabled] = new Tensor('bool', [count], enabled)
    }
    if (this.#options.switchableWeights && this.#weightNodes.length > 0) {
      const enabled = Uint8Array.from(this.#weightNodes, (node) => (!weights || weights.has(node) ? 1 : 0))
      feeds[controls.weightsEnabled] = new Tensor('bool', [enabled.length], enabled)
    }
    return feeds
  }
}
