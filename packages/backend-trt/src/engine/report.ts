import type { EngineReport, LayerReport } from '@lowlat/core'
import type { WeightStreaming } from '../native.ts'
import type { EngineLayer } from '../tensorrt/layers.ts'
import type { TrtExecutionContext } from './context.ts'
import type { TrtEngine } from './engine.ts'

interface Counts {
  readonly layers: readonly EngineLayer[]
  readonly contexts: readonly Pick<TrtExecutionContext, 'graphs' | 'memory'>[]
  /** Of each profile. */
  readonly runs: readonly number[]
  readonly noCaptures: string | undefined
}

export function reportOf(engine: TrtEngine, { layers, contexts, runs, noCaptures }: Counts): EngineReport {
  const { native, tensorRt, cuda, metadata, contextBytes, sharedScratch } = engine
  const { name, computeCapability } = cuda.device
  const streaming = streamingOf(engine)
  return {
    backend: 'trt',
    properties: {
      device: name,
      computeCapability: computeCapability / 10,
      tensorRt: tensorRt.version,
      library: tensorRt.path,
      precision: metadata.precision,
      stronglyTyped: metadata.stronglyTyped,
      planBytes: metadata.planBytes,
      hardwareCompatibility: native.hardwareCompatibility,
      refittable: native.refittable,
      auxStreams: native.auxStreams,
      profiles: native.profileCount,
      ...(streaming && { weightStreaming: streaming }),
      runsOfProfiles: [...runs],
      /** CUDA graphs that are ready, of each context. */
      graphs: contexts.map(({ graphs }) => graphs),
      ...(noCaptures !== undefined && { noGraphs: noCaptures }),
      memory: {
        /** What TensorRT works in: of each context, or of all where it is shared. */
        contextBytes,
        shared: sharedScratch !== undefined,
        /** Of each context, as it has grown by now: with the former where it is not shared. */
        deviceBytes: contexts.map(({ memory }) => memory.deviceBytes),
        pinnedBytes: contexts.map(({ memory }) => memory.pinnedBytes),
        device: cuda.memoryInfo(),
      },
    },
    layers: layers.map(layerReport),
  }
}

/** Of plans that were built for it. */
function streamingOf({ native, metadata }: TrtEngine): WeightStreaming | undefined {
  return metadata.streamsWeights ? native.weightStreaming() : undefined
}

function layerReport({ name, type, precision, tactic }: EngineLayer): LayerReport {
  return {
    name,
    operator: type ?? '',
    ...(precision !== undefined && { precision }),
    ...(tactic !== undefined && { tactic }),
  }
}
