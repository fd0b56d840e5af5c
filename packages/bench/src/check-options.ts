import { ConfigError, checkOptions, integerRule, invalidConfig, type Rule, type RulesFor } from '@lowlat/core'
import { modelNames } from '@lowlat/onnx'
import { presetNames } from './accuracy/image-options.ts'
import { type BenchOptions, MAX_BATCH, MAX_PICTURES, MAX_SECONDS, precisions } from './options.ts'
import { suiteNames } from './report.ts'
import { scenarioNames } from './scenarios/definitions.ts'

const oneOf = (names: readonly string[]): Rule => ({
  expected: `one of ${names.join(', ')}`,
  accepts: (value) => names.includes(value as string),
})

const listOf = ({ expected, accepts }: Rule): Rule => ({
  expected: `a list of at least one, each ${expected}`,
  accepts: (value) => Array.isArray(value) && value.length > 0 && value.every(accepts),
})

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
const isPath = (value: unknown) => typeof value === 'string' && value.trim() !== ''

/** An object whose fields, beside its `kind`, are these and no others. */
function isChoice(
  value: unknown,
  kind: string,
  fields: Readonly<Record<string, (value: unknown) => boolean>>,
): boolean {
  return (
    isObject(value) &&
    value.kind === kind &&
    Object.entries(fields).every(([name, accepts]) => accepts(value[name])) &&
    Object.keys(value).every((name) => name === 'kind' || Object.hasOwn(fields, name))
  )
}

const modelRule: Rule = {
  expected: `{ kind: 'generated', name } with one of ${modelNames.join(', ')}, or { kind: 'file', path }`,
  accepts: (value) =>
    isChoice(value, 'generated', { name: oneOf(modelNames).accepts }) || isChoice(value, 'file', { path: isPath }),
}

const { accepts: isCount } = integerRule(1, MAX_PICTURES)

const accuracyRule: Rule = {
  expected: `{ kind: 'reference', mostPictures } or { kind: 'files', model, qat?, data, preprocess, classOffset, mostPictures }, with paths, 1 to ${MAX_PICTURES} pictures and one of ${presetNames.join(', ')} or image options`,
  accepts: (value) =>
    isChoice(value, 'reference', { mostPictures: isCount }) ||
    isChoice(value, 'files', {
      model: isPath,
      qat: (path) => path === undefined || isPath(path),
      data: isPath,
      preprocess: (choice) => oneOf(presetNames).accepts(choice) || (isObject(choice) && !Array.isArray(choice)),
      classOffset: integerRule(0).accepts,
      mostPictures: isCount,
    }),
}

const rules: RulesFor<BenchOptions> = {
  suites: listOf(oneOf(suiteNames)),
  model: modelRule,
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
  accuracy: accuracyRule,
  int8Models: listOf(modelRule),
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
