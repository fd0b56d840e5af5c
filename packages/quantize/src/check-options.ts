import {
  checkOptions,
  finiteRule,
  functionRule,
  invalidConfig,
  type Rule,
  type RulesFor,
  signalRule,
} from '@lowlat/core'
import { CalibrationTable } from './calibrate/table.ts'
import { calibrators } from './choose/choice.ts'
import type { QuantizeOptions } from './options.ts'

function oneOf(names: readonly string[]): Rule {
  return {
    expected: `one of ${names.map((name) => `'${name}'`).join(', ')}`,
    accepts: (value) => names.includes(value as string),
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const rules: RulesFor<QuantizeOptions> = {
  samples: {
    expected: 'an array, an iterable or an async iterable of samples',
    accepts: (value) => isObject(value) && (Symbol.iterator in value || Symbol.asyncIterator in value),
  },
  target: oneOf(['cpu', 'cuda', 'trt']),
  method: oneOf(['auto', ...Object.keys(calibrators)]),
  weights: oneOf(['auto', 'mse', 'absmax']),
  recovery: oneOf(['auto', 'none']),
  maxDrop: {
    expected: 'a number, at least 0',
    accepts: (value) => finiteRule.accepts(value) && (value as number) >= 0,
  },
  leastSqnrDb: {
    expected: "a number of decibels, or 'none'",
    accepts: (value) => value === 'none' || finiteRule.accepts(value),
  },
  floatParts: oneOf(['fp32', 'fp16']),
  metric: {
    expected: 'a metric { name, evaluate }',
    accepts: (value) => isObject(value) && typeof value.name === 'string' && typeof value.evaluate === 'function',
  },
  leadingLayers: oneOf(['auto', 'int8']),
  keepFloat: {
    expected: '{ nodes?, values? }, each a list of names',
    accepts: (value) =>
      isObject(value) &&
      !Array.isArray(value) &&
      Object.entries(value).every(
        ([key, names]) =>
          ['nodes', 'values'].includes(key) &&
          (names === undefined || (Array.isArray(names) && names.every((name) => typeof name === 'string'))),
      ),
  },
  calibration: { expected: 'a CalibrationTable', accepts: (value) => value instanceof CalibrationTable },
  backend: {
    expected: 'the name of a backend or a Backend value',
    accepts: (value) => typeof value === 'string' || isObject(value),
  },
  onProgress: functionRule,
  signal: signalRule,
}

/** @throws ConfigError CONFIG_INVALID for unknown options, and for options of another kind. */
export function checkQuantizeOptions(options: unknown): asserts options is QuantizeOptions {
  checkOptions('options of quantize', options, rules, invalidConfig)
  const { samples, metric, maxDrop } = options as QuantizeOptions
  if (metric !== undefined && maxDrop === undefined) {
    throw invalidConfig(
      `Expected maxDrop beside the metric '${metric.name}', got none.`,
      'Pass maxDrop, how much of the metric may be lost (0.01 for one point of a share), or leave the metric out.',
      'a number, at least 0',
      undefined,
    )
  }
  if (samples !== undefined) return
  const { expected } = rules.samples
  throw invalidConfig(
    `Expected ${expected} as samples, got none.`,
    'Pass a hundred typical inputs.',
    expected,
    undefined,
  )
}
