import { ConfigError, type OptimizationProfile, type Precision, type TensorInfo } from '@lowlat/core'
import type { TrtOptions } from '../options.ts'
import type { BuildOptions } from '../tensorrt/library.ts'
import { nativeProfiles } from './profiles.ts'

type Request = Omit<BuildOptions, 'cuda' | 'signal' | 'onEvent' | 'timingCache'>

const MB = 2 ** 20

const refitFlags = { no: [], all: ['REFIT'], individual: ['REFIT_INDIVIDUAL'], identical: ['REFIT_IDENTICAL'] } as const

/**
 * The options of this backend in TensorRT's terms.
 * @throws ConfigError CONFIG_INVALID for values of unknown inputs, and for options that do not go with the profiles.
 */
export function requestFrom(
  options: TrtOptions,
  precision: Precision,
  inputs: readonly TensorInfo[],
  profiles: readonly OptimizationProfile[],
): Request {
  const { workspaceMB, optimizationLevel, auxStreams, timingIterations, tacticSources, tiling } = options
  checkRefit(options, profiles)
  return {
    stronglyTyped: options.stronglyTyped,
    flags: flagsFrom(options, precision),
    parserFlags: options.parserFlags,
    memoryPools: { ...(workspaceMB !== undefined && { WORKSPACE: workspaceMB * MB }), ...options.memoryPools },
    ...(optimizationLevel !== undefined && { optimizationLevel }),
    ...(auxStreams !== undefined && { maxAuxStreams: auxStreams }),
    ...(timingIterations !== undefined && { avgTimingIterations: timingIterations }),
    ...(options.hardwareCompatibility !== 'none' && { hardwareCompatibility: enumName(options.hardwareCompatibility) }),
    logSeverity: options.logSeverity,
    profilingVerbosity: enumName(options.profilingVerbosity),
    previewFeatures: options.previewFeatures,
    ...(tacticSources && { tacticSources }),
    ...(tiling && { tilingOptimizationLevel: enumName(tiling) }),
    ...(options.refit === 'individual' && { refittableWeights: options.refitWeights }),
    profiles: nativeProfiles(inputs, profiles, options.shapeValues),
    useTimingCache: options.timingCache !== false,
    pluginLibraries: options.embedPlugins ? options.plugins : [],
  }
}

/** TensorRT takes one profile for an engine whose weights can be replaced, which those of a stripped plan are. */
function checkRefit({ refit, stripPlan }: TrtOptions, profiles: readonly OptimizationProfile[]): void {
  if (profiles.length < 2 || (refit === 'no' && !stripPlan)) return
  throw new ConfigError('CONFIG_INVALID', {
    message: `Expected one profile for an engine ${stripPlan ? 'without weights in its plan' : `with refit: '${refit}'`}, got ${profiles.length}.`,
    remedy: `Give one profile that holds all shapes, or leave out ${stripPlan ? 'stripPlan' : 'refit'}.`,
    expected: 1,
    received: profiles.length,
  })
}

function flagsFrom(options: TrtOptions, precision: Precision): string[] {
  const { stronglyTyped, tf32, versionCompatible, stripPlan, refit, weightStreamingMB, timingCache } = options
  const flags = new Set([...options.builderFlags, ...refitFlags[refit]])
  // Strongly typed networks have their types from the model.
  if (!stronglyTyped && precision === 'fp16') flags.add('FP16')
  if (!stronglyTyped && precision === 'int8') flags.add('INT8')
  if (tf32) flags.add('TF32')
  if (versionCompatible) flags.add('VERSION_COMPATIBLE')
  if (stripPlan) flags.add('STRIP_PLAN')
  if (weightStreamingMB !== undefined) flags.add('WEIGHT_STREAMING')
  if (timingCache === false) flags.add('DISABLE_TIMING_CACHE')
  return [...flags]
}

/** 'same-compute-capability' as TensorRT writes it. */
const enumName = (name: string) => name.toUpperCase().replaceAll('-', '_')
