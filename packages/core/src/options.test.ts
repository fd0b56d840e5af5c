import { describe, expect, it } from 'vitest'
import {
  booleanRule,
  checkArgument,
  checkOptions,
  durationRule,
  finiteRule,
  integerRule,
  invalidConfig,
  listRule,
  nameRule,
  namesRule,
  type Rule,
  signalRule,
  spanSinkRule,
  tensorRule,
  timelineRule,
  timeRule,
} from './options.ts'
import { Tensor } from './tensor.ts'
import { Timeline } from './timeline.ts'

const bare = Object.create(null)
const kinds: [string, Rule, unknown[], unknown[]][] = [
  ['integers', integerRule(1, 8), [1, 8], [0, 9, 1.5, '1', 1n, [1], Number.NaN, bare, null]],
  ['durations', durationRule, [0, 0.5, Number.POSITIVE_INFINITY], [-1, Number.NaN, '500', [5], 5n, bare, null]],
  ['finite numbers', finiteRule, [0, -1.5], [Number.POSITIVE_INFINITY, Number.NaN, '1', bare, null]],
  ['flags', booleanRule, [true, false], ['no', 0, 1, bare, null]],
  ['lists', listRule(integerRule(1)), [[], [1, 2]], [2, '12', [0], ['1'], new Array(1), { length: 0 }, bare, null]],
  ['lists of names', namesRule, [['y'], ['y', 'y']], [5, 'y', [], [Symbol('y')], [bare], bare, null]],
  ['signals', signalRule, [new AbortController().signal], [{}, true, 'abort', new AbortController(), bare, null]],
  ['times', timeRule, [0, -1.5, Number.POSITIVE_INFINITY], [Number.NaN, '1', 1n, bare, null]],
  [
    'tensors',
    tensorRule,
    [Tensor.zeros('int4', [3])],
    [{}, { y: Tensor.zeros('int4', [3]) }, new Float32Array(1), bare, null],
  ],
  ['sinks of spans', spanSinkRule, [new Timeline(0), { span() {} }], [{}, true, bare, null]],
  ['timelines', timelineRule, [new Timeline(0)], [{}, { span() {} }, true, bare, null]],
]

describe('rules', () => {
  it.each(kinds)('for %s take what fits and refuse everything else', (_, rule, good, bad) => {
    for (const value of good) checkArgument('it', value, rule)
    for (const value of [...bad, undefined, Symbol('x')]) {
      expect(() => checkArgument('it', value, rule)).toThrow(
        expect.objectContaining({
          name: 'InputError',
          code: 'INVALID_ARGUMENT',
          expected: rule.expected,
          received: value,
        }),
      )
    }
  })

  it('say what was expected, what came, and what to pass', () => {
    expect(() => checkArgument('runs', '5', integerRule(1))).toThrow(
      "Expected an integer, at least 1 as runs, got '5'. Pass an integer, at least 1.",
    )
  })
})

describe('checkOptions', () => {
  const rules = { name: nameRule, size: integerRule(1) }
  const check = (options: unknown) => checkOptions<{ name?: string; size?: number }>('box options', options, rules)

  it('takes known options, absent or undefined ones included', () => {
    for (const options of [{}, { name: 'a' }, { size: 1, name: 'b' }, { size: undefined }, Object.create(null)]) {
      check(options)
    }
  })

  it.each([[null], [undefined], [5], ['name'], [[]], [() => {}], [Symbol('x')]])(
    'refuses %o for options',
    (options) => {
      expect(() => check(options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', received: options }))
    },
  )

  it.each(['Name', 'constructor', '__proto__', 'toString'])("refuses the unknown option '%s'", (name) => {
    expect(() => check({ [name]: 1 })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', expected: ['name', 'size'], received: name }),
    )
  })

  it('names the option that is wrong', () => {
    expect(() => check({ name: 'a', size: 0 })).toThrow('as size, got 0')
  })

  it('fails as it is told to', () => {
    const config = expect.objectContaining({ name: 'ConfigError', code: 'CONFIG_INVALID' })
    for (const options of [null, { size: 0 }, { sizes: 1 }]) {
      expect(() => checkOptions('box options', options, rules, invalidConfig)).toThrow(config)
    }
  })
})
