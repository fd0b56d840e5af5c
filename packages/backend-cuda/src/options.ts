import { booleanRule, checkOptions, integerRule, invalidConfig, type Rule, type RulesFor } from '@lowlat/core'

export interface CudaOptions {
  /** Number of the device, from 0 (default). CUDA_VISIBLE_DEVICES says which devices there are. */
  readonly device: number
  /**
   * Let matrix products of float32 round their operands to TF32 (10 bits of mantissa), which tensor cores take: several
   * times as fast. Default false.
   */
  readonly tf32: boolean
  /**
   * What has no kernel runs on the host ('run', default), or is refused with a list of it ('error').
   */
  readonly hostFallback: 'run' | 'error'
  /** How many combinations of input shapes each context keeps ready; the least recently used go. Default 16. */
  readonly graphs: number
}

const fallbackRule: Rule = {
  expected: "'run' or 'error'",
  accepts: (value) => value === 'run' || value === 'error',
}

const rules: RulesFor<CudaOptions> = {
  device: integerRule(0, 1023),
  tf32: booleanRule,
  hostFallback: fallbackRule,
  graphs: integerRule(1, 65_536),
}

/** @throws ConfigError CONFIG_INVALID. */
export function parseCudaOptions(options: Readonly<Record<string, unknown>>): CudaOptions {
  checkOptions('options of the CUDA backend', options, rules, invalidConfig)
  const { device = 0, tf32 = false, hostFallback = 'run', graphs = 16 } = options as Partial<CudaOptions>
  return { device, tf32, hostFallback, graphs }
}
