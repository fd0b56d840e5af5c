import { ConfigError } from '@lowlat/core'
import type { TrtOptions } from './options.ts'

/** Flags that let TensorRT choose types, against what a strongly typed network is. */
const typeFlags = new Set(['FP16', 'BF16', 'INT8', 'FP8', 'INT4', 'FP4'])

/** Flags that do more than the builder does: what says so is the option. */
const ownOptions: Readonly<Record<string, string>> = {
  TF32: 'tf32: true',
  REFIT: "refit: 'all'",
  REFIT_INDIVIDUAL: "refit: 'individual'",
  REFIT_IDENTICAL: "refit: 'identical'",
  STRIP_PLAN: 'stripPlan: true',
  VERSION_COMPATIBLE: 'versionCompatible: true',
  WEIGHT_STREAMING: 'weightStreamingMB',
  DISABLE_TIMING_CACHE: 'timingCache: false',
}

/** Options that contradict each other, or with which TensorRT would silently do nothing. @throws ConfigError CONFIG_INVALID. */
export function checkConflicts(options: TrtOptions): void {
  checkFlags(options)
  const { embedPlugins, versionCompatible, refit, refitWeights, memoryPools } = options
  if (memoryPools.WORKSPACE !== undefined) {
    throw new ConfigError('CONFIG_INVALID', {
      message: 'Expected only memory pools that have no option of their own, got WORKSPACE.',
      remedy: 'Say workspaceMB instead.',
      received: memoryPools.WORKSPACE,
    })
  }
  if (embedPlugins && !versionCompatible) {
    throw new ConfigError('CONFIG_INVALID', {
      message: 'Expected versionCompatible: true with embedPlugins, got false.',
      remedy:
        'Set it: TensorRT puts plugin libraries into version-compatible plans only. Or leave out embedPlugins, and ship the libraries beside the plan.',
      received: versionCompatible,
    })
  }
  if ((refit === 'individual') !== refitWeights.length > 0) {
    throw new ConfigError('CONFIG_INVALID', {
      message: `Expected refit: 'individual' together with names in refitWeights, got refit: '${refit}' and ${refitWeights.length} names.`,
      remedy: "Name the weights that are to be replaced later, or take refit: 'all'.",
      received: { refit, refitWeights },
    })
  }
}

function checkFlags({ stronglyTyped, builderFlags }: TrtOptions): void {
  const choosing = builderFlags.filter((flag) => typeFlags.has(flag))
  if (stronglyTyped && choosing.length > 0) {
    throw new ConfigError('CONFIG_INVALID', {
      message: `Expected no builder flags that choose types for a strongly typed network, got ${choosing.join(', ')}.`,
      remedy:
        "Say it in the model (precision: 'fp16', or Q/DQ nodes by @lowlat/quantize), or set stronglyTyped: false with TensorRT 10.",
      received: choosing,
    })
  }
  const own = builderFlags.filter((flag) => Object.hasOwn(ownOptions, flag))
  if (own.length > 0) {
    throw new ConfigError('CONFIG_INVALID', {
      message: `Expected only builder flags that have no option of their own, got ${own.join(', ')}.`,
      remedy: `Say ${own.map((flag) => ownOptions[flag]).join(', ')} instead.`,
      received: own,
    })
  }
}
