import { type FileStamp, type LowlatError, ModelError, type Plan, type Precision, withoutRemedy } from '@lowlat/core'
import type { DeviceProperties } from '@lowlat/cuda-driver'
import type { TrtOptions } from './options.ts'
import type { TensorRt } from './tensorrt/library.ts'

/** What a plan was built for, beside the model: it runs where these are the same. */
export interface PlanFacts {
  readonly tensorRt: string
  /** Plans that are compatible across versions run under later ones of the same major. */
  readonly versionCompatible: boolean
  /** The kind of GPU, as far as the plan depends on it. */
  readonly gpu: Readonly<Record<string, string | number>>
}

export function planFacts(
  { version }: TensorRt,
  { name, computeCapability, multiprocessors }: DeviceProperties,
  { hardwareCompatibility, versionCompatible }: Pick<TrtOptions, 'hardwareCompatibility' | 'versionCompatible'>,
): PlanFacts {
  const gpus = {
    none: { name, computeCapability, multiprocessors },
    'ampere-plus': { family: 'ampere-plus' },
    'same-compute-capability': { computeCapability },
  }
  return { tensorRt: version, versionCompatible, gpu: gpus[hardwareCompatibility] }
}

/** What a plan of this backend says beside its payload. */
export interface PlanMetadata {
  readonly facts: PlanFacts
  readonly planBytes: number
  readonly precision: Precision
  readonly stronglyTyped: boolean
  /** Where the weights of a stripped plan come from. */
  readonly weightsFrom?: FileStamp
  readonly plugins: readonly string[]
  /** Whether the plan was to carry those libraries: code of the host. */
  readonly embedsPlugins?: boolean
  /** Whether its weights may stay on the host. */
  readonly streamsWeights?: boolean
}

/** The option that the facts were made with. */
function compatibilityOf(gpu: PlanFacts['gpu']): TrtOptions['hardwareCompatibility'] {
  if ('family' in gpu) return 'ampere-plus'
  return 'name' in gpu ? 'none' : 'same-compute-capability'
}

const AMPERE = 80

/**
 * What stands in a plan's metadata, for one that can run here, whatever the options are now.
 * @throws ModelError PLAN_STALE for a plan of another backend, version or GPU; PLAN_INVALID.
 */
export function readMetadata(plan: Plan, tensorRt: TensorRt, device: DeviceProperties): PlanMetadata {
  if (plan.backend !== 'trt') throw stale('of the TensorRT backend', `one of '${plan.backend}'`)
  const metadata: Partial<PlanMetadata> = plan.metadata
  const { facts } = metadata
  if (!isComplete(metadata) || !facts) throw damaged('its metadata lacks fields', plan.metadata)
  const { versionCompatible } = facts
  const hardwareCompatibility = compatibilityOf(facts.gpu)
  const here = planFacts(tensorRt, device, { hardwareCompatibility, versionCompatible })
  if (!runsUnder(facts, here.tensorRt)) throw stale(`for TensorRT ${here.tensorRt}`, `one for ${facts.tensorRt}`)
  const [wanted, got] = [describe(here.gpu), describe(facts.gpu)]
  if (wanted !== got) throw stale(`for ${wanted}`, `one for ${got}`)
  if (hardwareCompatibility === 'ampere-plus' && device.computeCapability < AMPERE)
    throw stale(`for ${device.name}`, 'one for Ampere and later')
  return metadata
}

function isComplete(metadata: Partial<PlanMetadata>): metadata is PlanMetadata {
  const { facts, planBytes, precision, stronglyTyped, plugins } = metadata
  return (
    typeof facts?.tensorRt === 'string' &&
    typeof facts.gpu === 'object' &&
    facts.gpu !== null &&
    Number.isSafeInteger(planBytes) &&
    typeof precision === 'string' &&
    typeof stronglyTyped === 'boolean' &&
    Array.isArray(plugins) &&
    plugins.every((path) => typeof path === 'string')
  )
}

function runsUnder({ tensorRt, versionCompatible }: PlanFacts, version: string): boolean {
  if (!versionCompatible) return tensorRt === version
  const [built, here] = [tensorRt.split('.').map(Number), version.split('.').map(Number)]
  return built[0] === here[0] && (here[1]! > built[1]! || (here[1] === built[1] && here[2]! >= built[2]!))
}

const describe = (gpu: PlanFacts['gpu']) =>
  Object.entries(gpu)
    .map(([name, value]) => `${name} ${value}`)
    .sort()
    .join(', ')

function stale(expected: string, received: string): ModelError {
  return new ModelError('PLAN_STALE', {
    message: `Expected a plan ${expected}, got ${received}.`,
    remedy:
      'Compile the model again here; hardwareCompatibility and versionCompatible make plans that run elsewhere too.',
    expected,
    received,
  })
}

/** For a plan that is not as it was written. */
export function damaged(why: string, received?: unknown): ModelError {
  return new ModelError('PLAN_INVALID', { message: `The plan is damaged: ${why}.`, remedy: REMEDY, received })
}

/** For a plan that TensorRT does not take, with what it said. */
export function refusedByTensorRt(error: LowlatError): ModelError {
  return new ModelError('PLAN_INVALID', {
    message: `TensorRT refuses the plan: ${withoutRemedy(error)}`,
    remedy: REMEDY,
    details: error.details,
    cause: error,
  })
}

const REMEDY = 'Compile the model again.'
