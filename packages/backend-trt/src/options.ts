import {
  booleanRule,
  checkOptions,
  functionRule,
  integerRule,
  invalidConfig,
  listRule,
  nameRule,
  type Rule,
  type RulesFor,
} from '@lowlat/core'
import type { BuildEvent, LogMessage, Severity } from './native.ts'
import { checkConflicts } from './option-conflicts.ts'
import { pluginPath } from './plugins.ts'

/** Sizes of one axis: smallest, most frequent, largest. */
export interface AxisRange {
  readonly min: number
  readonly opt: number
  readonly max: number
}

/** Values of a shape tensor, one for each of its elements. */
export interface ValueRange {
  readonly min: readonly number[]
  readonly opt: readonly number[]
  readonly max: readonly number[]
}

/** Which weights of an engine can be replaced later: none, all, those of `refitWeights`, or all by the same values. */
export type Refit = 'no' | 'all' | 'individual' | 'identical'

export interface TrtOptions {
  /** Number of the device, from 0 (default). CUDA_VISIBLE_DEVICES says which devices there are. */
  readonly device: number

  // what an engine is built for

  /** Without profiles, for a named first axis (the batch). Default 1, 1, 16. */
  readonly defaultRange: AxisRange
  /** Without profiles, for axes by their name in the model: { height: { min: 128, opt: 224, max: 512 } }. */
  readonly axisRanges: Readonly<Record<string, AxisRange>>
  /** For inputs that are shapes or sizes themselves: the values that they may have, in every profile. */
  readonly shapeValues: Readonly<Record<string, ValueRange>>

  // how it is built

  /**
   * Types are those of the model (default). False lets TensorRT 10 choose among those of `builderFlags`; TensorRT 11 knows
   * no such networks.
   */
  readonly stronglyTyped: boolean
  /**
   * Let products of float32 round their operands to TF32 (10 bits of mantissa), which tensor cores take: several times as
   * fast. Default false.
   */
  readonly tf32: boolean
  /** From 0, quickest to build, to 5, which tries most. Default: TensorRT's own, 3. */
  readonly optimizationLevel?: number | undefined
  /** Memory that tactics may use while a layer runs, MiB. Default: all there is. */
  readonly workspaceMB?: number | undefined
  /** Limits of the memory pools beside the workspace in bytes, by TensorRT's name: { TACTIC_SHARED_MEMORY: 65536 }. */
  readonly memoryPools: Readonly<Record<string, number>>
  /** Further flags by TensorRT's names without their k: ['SPARSE_WEIGHTS', 'STRICT_NANS']. */
  readonly builderFlags: readonly string[]
  readonly parserFlags: readonly string[]
  /** By TensorRT's names: { RUNTIME_ACTIVATION_RESIZE_10_10: true }. */
  readonly previewFeatures: Readonly<Record<string, boolean>>
  /** The only ones to take tactics from, by TensorRT's names. Default: its own choice. */
  readonly tacticSources?: readonly string[] | undefined
  readonly tiling?: 'none' | 'fast' | 'moderate' | 'full' | undefined
  /** How often each tactic is timed. Default: TensorRT's own. */
  readonly timingIterations?: number | undefined
  /**
   * Folder for the times that were measured, so that the next build measures only what is new; false for none. Default:
   * in the folder of the plan cache.
   */
  readonly timingCache?: string | false | undefined
  /** GPUs that the plan is to run on: this kind (default), Ampere and later, or those of the same compute capability. */
  readonly hardwareCompatibility: 'none' | 'ampere-plus' | 'same-compute-capability'
  /** Plans that later releases of the same major version load too. */
  readonly versionCompatible: boolean
  /** Which weights can be replaced later. Other than 'no' it takes one profile at most. */
  readonly refit: Refit
  /** Names of the weights, as in the model, for refit: 'individual'. */
  readonly refitWeights: readonly string[]
  /**
   * Leave the weights out of the plan: they come from the model's file when it is loaded. Needs a model by its path, and
   * takes one profile at most.
   */
  readonly stripPlan: boolean
  /**
   * Weights may stay on the host and come to the device while they are needed: MiB of them that the device holds. Where
   * these are not all, runs are no CUDA graphs, and each waits in a thread of the addon.
   */
  readonly weightStreamingMB?: number | undefined
  /**
   * Libraries with plugins, loaded before TensorRT builds or loads anything. Names without a folder are looked for as the
   * system looks for libraries.
   */
  readonly plugins: readonly string[]
  /** Put those libraries into the plan, which has to be version compatible. */
  readonly embedPlugins: boolean
  /** What the plan says about its layers: everything ('detailed', default), names or nothing. */
  readonly profilingVerbosity: 'detailed' | 'layer-names-only' | 'none'
  /** Streams beside its own that a context may use at most. Default: TensorRT's own choice. */
  readonly auxStreams?: number | undefined

  // how it runs

  /** CUDA graphs that each context keeps, one for each combination of shapes; 0 for none. Default 16. */
  readonly graphs: number
  /** Contexts take turns in one piece of device memory: less memory, but one run at a time. */
  readonly sharedMemory: boolean
  /** Bytes of L2 cache that a context may keep its activations in. Default 0. */
  readonly persistentCacheBytes: number

  // who is told

  /** Told how a build goes on, with the builder's log. What it throws ends the build. */
  readonly onBuild?: ((event: BuildEvent) => void) | undefined
  /** What is less severe is not told. Default 'warning'. */
  readonly logSeverity: Severity
  /** Told what TensorRT logs while an engine is loaded and runs. What it throws becomes an uncaught exception. */
  readonly onLog?: ((message: LogMessage) => void) | undefined
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

const isAxisRange = (value: unknown): boolean => {
  if (!isRecord(value) || Object.keys(value).length !== 3) return false
  const { min, opt, max } = value
  return isSize(min) && isSize(opt) && isSize(max) && min <= opt && opt <= max
}

const isValueRange = (value: unknown): boolean => {
  if (!isRecord(value) || Object.keys(value).length !== 3) return false
  const lists = [value.min, value.opt, value.max]
  const [min, opt, max] = lists as number[][]
  if (!lists.every((list) => Array.isArray(list) && list.every(Number.isSafeInteger))) return false
  return (
    min!.length === opt!.length &&
    opt!.length === max!.length &&
    min!.every((low, i) => low <= opt![i]! && opt![i]! <= max![i]!)
  )
}

const recordRule = (expected: string, accepts: (value: unknown) => boolean): Rule => ({
  expected,
  accepts: (value) => isRecord(value) && Object.values(value).every(accepts),
})

const oneOf = (...values: readonly unknown[]): Rule => ({
  expected: values.map((value) => (typeof value === 'string' ? `'${value}'` : String(value))).join(' or '),
  accepts: (value) => values.includes(value),
})

/** As many bytes as numbers tell apart. */
const MAX_MB = 2 ** 32

const RANGE = '{ min, opt, max } with 0 <= min <= opt <= max'

const rules: RulesFor<TrtOptions> = {
  device: integerRule(0, 1023),
  defaultRange: { expected: RANGE, accepts: isAxisRange },
  axisRanges: recordRule(`an object of ${RANGE} by the name of an axis`, isAxisRange),
  shapeValues: recordRule(
    'an object of { min, opt, max }, each a list of integers, by the name of an input',
    isValueRange,
  ),
  stronglyTyped: booleanRule,
  tf32: booleanRule,
  optimizationLevel: integerRule(0, 5),
  workspaceMB: integerRule(1, MAX_MB),
  memoryPools: recordRule('an object of bytes by the name of a memory pool', isSize),
  builderFlags: listRule(nameRule),
  parserFlags: listRule(nameRule),
  previewFeatures: recordRule('an object of true or false by the name of a feature', booleanRule.accepts),
  tacticSources: listRule(nameRule),
  tiling: oneOf('none', 'fast', 'moderate', 'full'),
  timingIterations: integerRule(1, 1024),
  timingCache: {
    expected: 'the path of a folder, or false',
    accepts: (value) => value === false || (typeof value === 'string' && value !== ''),
  },
  hardwareCompatibility: oneOf('none', 'ampere-plus', 'same-compute-capability'),
  versionCompatible: booleanRule,
  refit: oneOf('no', 'all', 'individual', 'identical'),
  refitWeights: listRule(nameRule),
  stripPlan: booleanRule,
  weightStreamingMB: integerRule(0, MAX_MB),
  plugins: listRule(nameRule),
  embedPlugins: booleanRule,
  profilingVerbosity: oneOf('detailed', 'layer-names-only', 'none'),
  auxStreams: integerRule(0, 64),
  graphs: integerRule(0, 65_536),
  sharedMemory: booleanRule,
  persistentCacheBytes: integerRule(0),
  logSeverity: oneOf('internal-error', 'error', 'warning', 'info', 'verbose'),
  onBuild: functionRule,
  onLog: functionRule,
}

const defaults = {
  device: 0,
  defaultRange: { min: 1, opt: 1, max: 16 },
  axisRanges: {},
  shapeValues: {},
  stronglyTyped: true,
  tf32: false,
  memoryPools: {},
  builderFlags: [],
  parserFlags: [],
  previewFeatures: {},
  hardwareCompatibility: 'none',
  versionCompatible: false,
  refit: 'no',
  refitWeights: [],
  stripPlan: false,
  plugins: [],
  embedPlugins: false,
  profilingVerbosity: 'detailed',
  graphs: 16,
  sharedMemory: false,
  persistentCacheBytes: 0,
  logSeverity: 'warning',
} as const satisfies Partial<TrtOptions>

/** @throws ConfigError CONFIG_INVALID. */
export function parseTrtOptions(options: Readonly<Record<string, unknown>>): TrtOptions {
  checkOptions('options of the TensorRT backend', options, rules, invalidConfig)
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const merged: TrtOptions = { ...defaults, ...given }
  const parsed = { ...merged, plugins: merged.plugins.map(pluginPath) }
  checkConflicts(parsed)
  return parsed
}

/** What a plan depends on among the options; JSON. */
export function plannedOptions(options: TrtOptions): Readonly<Record<string, unknown>> {
  const { device, timingCache, graphs, sharedMemory, persistentCacheBytes, logSeverity, onBuild, onLog, ...rest } =
    options
  const { weightStreamingMB, ...planned } = rest
  // How many of the weights stay on the device is a matter of loading.
  return { ...planned, weightStreaming: weightStreamingMB !== undefined }
}
