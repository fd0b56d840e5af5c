import { ConfigError, describeValue, InputError, type LowlatError } from './errors.ts'
import { Tensor } from './tensor.ts'

/** What a value must be: in words, and as a test. */
export interface Rule {
  readonly expected: string
  readonly accepts: (value: unknown) => boolean
}

/** A rule for every option of T. */
export type RulesFor<T> = { readonly [Name in keyof Required<T>]: Rule }

type Fail = (message: string, remedy: string, expected: unknown, received: unknown) => LowlatError

const hasMethods =
  (...names: string[]) =>
  (value: unknown) =>
    typeof value === 'object' &&
    value !== null &&
    names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')

/** An integer from `min` to `max`. */
export function integerRule(min: number, max = Number.MAX_SAFE_INTEGER): Rule {
  return {
    expected: max === Number.MAX_SAFE_INTEGER ? `an integer, at least ${min}` : `an integer from ${min} to ${max}`,
    accepts: (value) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
  }
}

/** A list whose members each follow the rule. */
export function listRule(rule: Rule): Rule {
  return {
    expected: `a list, each ${rule.expected}`,
    accepts: (value) => Array.isArray(value) && [...value].every(rule.accepts),
  }
}

/** A time of at least 0, Infinity included. */
export const durationRule: Rule = {
  expected: 'a number, at least 0',
  accepts: (value) => typeof value === 'number' && value >= 0,
}
/** A time on a clock, Infinity included. */
export const timeRule: Rule = {
  expected: 'a number of microseconds',
  accepts: (value) => typeof value === 'number' && !Number.isNaN(value),
}
export const finiteRule: Rule = { expected: 'a finite number', accepts: Number.isFinite }
export const booleanRule: Rule = { expected: 'true or false', accepts: (value) => typeof value === 'boolean' }
export const functionRule: Rule = { expected: 'a function', accepts: (value) => typeof value === 'function' }
export const nameRule: Rule = { expected: 'a name', accepts: (value) => typeof value === 'string' }
export const namesRule: Rule = {
  expected: 'a list of at least one name',
  accepts: (value) => Array.isArray(value) && value.length > 0 && value.every(nameRule.accepts),
}
// By their methods, since another copy of this package or a polyfill may have made them.
export const signalRule: Rule = {
  expected: 'an AbortSignal',
  accepts: hasMethods('addEventListener', 'removeEventListener'),
}
export const spanSinkRule: Rule = {
  expected: 'a sink of spans, such as a Timeline',
  accepts: hasMethods('span'),
}
export const timelineRule: Rule = { expected: 'a Timeline', accepts: hasMethods('span', 'end') }
export const clockRule: Rule = { expected: 'a Clock', accepts: hasMethods('nowUs', 'setTimer') }
export const sessionRule: Rule = {
  expected: 'a Session',
  accepts: hasMethods('checkFeeds', 'runRequest', 'onIdle'),
}

export const tensorRule: Rule = { expected: 'a Tensor', accepts: (value) => value instanceof Tensor }

/** @throws what `fail` makes (InputError INVALID_ARGUMENT) when the value is not as the rule says. */
export function checkArgument(name: string, value: unknown, rule: Rule, fail: Fail = invalidArgument): void {
  if (rule.accepts(value)) return
  const received = describeValue(value)
  throw fail(`Expected ${rule.expected} as ${name}, got ${received}.`, `Pass ${rule.expected}.`, rule.expected, value)
}

/**
 * Checks that `options` is an object that holds known options alone, each absent, undefined, or as its rule says.
 * Cheap enough for every request.
 * @throws what `fail` makes (InputError INVALID_ARGUMENT).
 */
export function checkOptions<T>(
  what: string,
  options: unknown,
  rules: RulesFor<T>,
  fail: Fail = invalidArgument,
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    const known = Object.keys(rules).join(', ')
    const message = `Expected an object of ${what}, got ${describeValue(options)}.`
    throw fail(message, `Leave it out, or pass some of { ${known} }.`, known, options)
  }
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(rules, name)) {
      const known = Object.keys(rules)
      throw fail(`There is no '${name}' among the ${what}.`, `Known are ${known.join(', ')}.`, known, name)
    }
    const value = (options as Record<string, unknown>)[name]
    if (value !== undefined) checkArgument(name, value, rules[name as keyof T], fail)
  }
}

/** For settings that are given once, when something is made, rather than with each call. */
export const invalidConfig: Fail = (message, remedy, expected, received) =>
  new ConfigError('CONFIG_INVALID', { message, remedy, expected, received })

function invalidArgument(message: string, remedy: string, expected: unknown, received: unknown): InputError {
  return new InputError('INVALID_ARGUMENT', { message, remedy, expected, received })
}
