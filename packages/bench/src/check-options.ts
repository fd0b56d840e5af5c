import { ConfigError, checkOptions, invalidConfig, type Rule, type RulesFor } from '@lowlat/core'
import { type BenchOptions, MAX_BATCH, MAX_SECONDS, precisions } from './options.ts'
import { suiteNames } from './report.ts'
import { scenarioNames } from './scenarios/definitions.ts'

const oneOf = (names: readonly string[]): Rule => ({
  expected: `one of ${names.join(', ')}`,
  accepts: (value) => names.includes(value as string),
})

const listOf = ({ expected, accepts }: Rule): Rule => ({
  expected: `a list, each ${expected}`,
  accepts: (value) => Array.isArray(value) && value.every(accepts),
})

const choiceRule: Rule = {
  expected: "an object with a 'kind'",
  accepts: (value) => typeof value === 'object' && value !== null && 'kind' in value,
}

const rules: RulesFor<BenchOptions> = {
  suites: listOf(oneOf(suiteNames)),
  model: choiceRule,
  backends: listOf({ expected: 'a name', accepts: (value) => typeof value === 'string' }),
  precisions: listOf(oneOf(precisions)),
  scenarios: listOf(oneOf(scenarioNames)),
  batches: listOf({
    expected: `a whole number from 1 to ${MAX_BATCH}`,
    accepts: (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_BATCH,
  }),
  seconds: {
    expected: `seconds above 0, up to ${MAX_SECONDS}`,
    accepts: (value) => typeof value === 'number' && value > 0 && value <= MAX_SECONDS,
  },
  accuracy: choiceRule,
  int8Models: listOf(choiceRule),
}

/** @throws ConfigError CONFIG_INVALID for options that are missing, unknown, or not what they must be. */
export function checkBenchOptions(options: unknown): asserts options is BenchOptions {
  checkOptions('options of the bench', options, rules, invalidConfig)
  const missing = Object.keys(rules).find((name) => (options as Record<string, unknown>)[name] === undefined)
  if (missing === undefined) return
  throw new ConfigError('CONFIG_INVALID', {
    message: `Expected '${missing}' among the options of the bench, got none.`,
    remedy: 'Begin with those of parseCommandLine([]).options.',
    expected: Object.keys(rules),
  })
}
