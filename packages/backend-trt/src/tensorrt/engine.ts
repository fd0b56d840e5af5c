import type { ContextMemory, ModelBytes, NativeEngine, TensorDescription, WeightStreaming } from '../native.ts'
import { awaiting, calling } from '../native-error.ts'
import { TensorRtContext } from './context.ts'
import { type EngineLayers, layersFromJson } from './layers.ts'

/** ICudaEngine: what a plan becomes on a device. It has to be disposed, after its contexts. */
export class TensorRtEngine implements AsyncDisposable {
  readonly tensors: readonly TensorDescription[]
  readonly #engine: NativeEngine

  constructor(engine: NativeEngine) {
    this.#engine = engine
    this.tensors = calling(() => engine.tensors)
  }

  get name(): string {
    return calling(() => this.#engine.name)
  }

  /** After fusion. */
  get layerCount(): number {
    return calling(() => this.#engine.layers)
  }

  get profileCount(): number {
    return calling(() => this.#engine.profiles)
  }

  /** Streams that a context uses beside its own. */
  get auxStreams(): number {
    return calling(() => this.#engine.auxStreams)
  }

  get refittable(): boolean {
    return calling(() => this.#engine.refittable)
  }

  get hardwareCompatibility(): string {
    return calling(() => this.#engine.hardwareCompatibility)
  }

  /** How much its inspector tells: 'DETAILED'. */
  get profilingVerbosity(): string {
    return calling(() => this.#engine.profilingVerbosity)
  }

  /** The shapes of an input that a profile takes. @throws BackendError RUN_FAILED for what is no input or profile. */
  profileShape(tensor: string, profile: number): { min: number[]; opt: number[]; max: number[] } {
    return calling(() => this.#engine.profileShape(tensor, profile))
  }

  /** As {@link profileShape}, for the values of an input that is a shape; empty for other tensors. */
  profileValues(tensor: string, profile: number): { min: number[]; opt: number[]; max: number[] } {
    return calling(() => this.#engine.profileValues(tensor, profile))
  }

  /** Device memory of one context, for a profile, or for whichever needs most; 0 for a profile that there is not. */
  deviceMemoryBytes(profile?: number): number {
    return calling(() => this.#engine.deviceMemoryBytes(profile))
  }

  /** @throws BackendError BACKEND_UNAVAILABLE where this TensorRT does not stream weights. */
  weightStreaming(): WeightStreaming {
    return calling(() => this.#engine.weightStreaming())
  }

  /** While there is no context. @throws BackendError RUN_FAILED for what is out of range. */
  setWeightStreamingBudget(sizeBytes: number): void {
    calling(() => this.#engine.setWeightStreamingBudget(sizeBytes))
  }

  /** What IEngineInspector says, typed. How much that is was chosen by `profilingVerbosity` when it was built. */
  layers(): EngineLayers {
    return layersFromJson(this.inspect('json'))
  }

  /** What IEngineInspector says, as it says it. */
  inspect(format: 'json' | 'oneline' = 'json'): string {
    return calling(() => this.#engine.inspect(format))
  }

  /** As {@link inspect}, of one layer. */
  inspectLayer(index: number, format: 'json' | 'oneline' = 'json'): string {
    return calling(() => this.#engine.inspectLayer(index, format))
  }

  /** The plan again, made in a thread of the addon; for example without weights: serialize(['EXCLUDE_WEIGHTS']). */
  serialize(flags: readonly string[] = []): Promise<Uint8Array> {
    return awaiting(() => this.#engine.serialize(flags))
  }

  /**
   * Replaces the weights by those of a model of the same structure, on a thread of its own (IRefitter).
   * @returns the names of weights that the model lacks. @throws (as rejection) BackendError; ModelError.
   */
  refit(model: ModelBytes): Promise<{ missing: string[] }> {
    return awaiting(() => this.#engine.refit(model))
  }

  /** @throws (as rejection) BackendError OUT_OF_MEMORY and others. */
  async createContext({ memory = 'own' }: { readonly memory?: ContextMemory } = {}): Promise<TensorRtContext> {
    return new TensorRtContext(await awaiting(() => this.#engine.createContext({ memory })))
  }

  /** Resolves once it is gone. Safe to call again. @throws (as rejection) BackendError while it has contexts. */
  dispose(): Promise<void> {
    return awaiting(() => this.#engine.dispose())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }
}
