import { ConfigError } from './errors.ts'

/** A setting from the environment: declared once, typed, documented, and listed by {@link listKnobs}. */
export interface Knob<T> {
  readonly name: string
  readonly description: string
  readonly defaultText: string
  /** Read anew at every call, so that tests and long-lived processes can change it. */
  read(): T
}

const declared = new Map<string, Knob<unknown>>()

interface KnobFields<T> {
  /** Name of the environment variable; starts with LOWLAT_. */
  name: string
  description: string
  default: T
  /** What the default is in words, where the value itself does not say it. */
  defaultText?: string
}

function declare<T>(fields: KnobFields<T>, expected: string, parse: (text: string) => T | undefined): Knob<T> {
  const knob: Knob<T> = {
    name: fields.name,
    description: fields.description,
    defaultText: fields.defaultText ?? String(fields.default),
    read() {
      const text = process.env[fields.name]
      if (text === undefined || text === '') return fields.default
      const value = parse(text)
      if (value !== undefined) return value
      throw new ConfigError('KNOB_INVALID', {
        message: `Expected ${expected} in the environment variable ${fields.name}, got '${text}'.`,
        remedy: `Unset it for the default (${knob.defaultText}).`,
        expected,
        received: text,
      })
    },
  }
  declared.set(fields.name, knob)
  return knob
}

export function stringKnob(fields: KnobFields<string>): Knob<string> {
  return declare(fields, 'text', (text) => text)
}

export function integerKnob(fields: KnobFields<number> & { min: number; max?: number }): Knob<number> {
  const max = fields.max ?? Number.MAX_SAFE_INTEGER
  return declare(fields, `an integer from ${fields.min} to ${max}`, (text) => {
    const value = /^\s*-?\d+\s*$/.test(text) ? Number(text) : Number.NaN
    return Number.isSafeInteger(value) && value >= fields.min && value <= max ? value : undefined
  })
}

export function flagKnob(fields: KnobFields<boolean>): Knob<boolean> {
  return declare(fields, "'1' or '0'", (text) => (text === '1' ? true : text === '0' ? false : undefined))
}

/** Every knob of the packages imported so far, by name. */
export function listKnobs(): readonly Knob<unknown>[] {
  return [...declared.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}
