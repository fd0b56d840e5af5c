import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ConfigError, messageOf, type Precision } from '@lowlat/core'
import { modelNames } from '@lowlat/onnx'
import type { ModelChoice } from './models.ts'
import { type SuiteName, suiteNames } from './report.ts'
import { type ScenarioName, scenarioNames, scenarios } from './scenarios/definitions.ts'

export interface BenchOptions {
  readonly suites: readonly SuiteName[]
  readonly model: ModelChoice
  readonly backends: readonly string[]
  readonly precisions: readonly Precision[]
  readonly scenarios: readonly ScenarioName[]
  readonly batches: readonly number[]
  /** Time that each row is measured for. */
  readonly seconds: number
}

export interface CommandLine {
  readonly help: boolean
  readonly options: BenchOptions
  readonly json: string | undefined
  readonly html: string | undefined
}

const precisions: readonly Precision[] = ['model', 'fp32', 'fp16', 'int8']
const MAX_BATCH = 1024
const MAX_SECONDS = 3600
const defaults = { model: 'resnet50', backend: 'cpu,cuda,trt', precision: 'fp32', batch: '1', duration: '8' }

const flags = {
  model: { type: 'string' },
  backend: { type: 'string' },
  precision: { type: 'string' },
  scenario: { type: 'string' },
  batch: { type: 'string' },
  duration: { type: 'string' },
  json: { type: 'string' },
  html: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

export const help = `Measures lowlat against plain onnxruntime-node, in turns, and prints a table of latencies.

Usage: bench [${suiteNames.join('|')}] [options]        all suites when none is named

  latency      JPEG bytes to the five best classes, through the whole pipeline
  overhead     what a session adds to a run on tensors that are ready
  preprocess   JPEG bytes to a normalised tensor
  coldstart    load and first run in a new process

Options (LIST is separated by commas)
  --model NAME|FILE   ${modelNames.join(', ')}, or an ONNX file (default ${defaults.model})
                      named models have generated weights: their latency is real, their answers mean nothing
  --backend LIST      cpu, cuda, trt or any installed @lowlat/backend-NAME (default ${defaults.backend})
  --precision LIST    ${precisions.join(', ')} (default ${defaults.precision})
  --scenario LIST     of the latency suite (default all):
${scenarioNames.map((name) => `                        ${name.padEnd(14)}${scenarios[name].description}`).join('\n')}
  --batch LIST        images per request of the latency suite (default ${defaults.batch})
  --duration SECONDS  time that each row is measured for (default ${defaults.duration})
  --json FILE         write environment, rows and raw samples
  --html FILE         write a report with charts, in one file
  --help              print this text
`

/** @throws ConfigError CONFIG_INVALID naming the option, what came and the valid values. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const { values, positionals } = parse(args)
  return {
    help: values.help ?? false,
    json: values.json,
    html: values.html,
    options: {
      suites: suitesFrom(positionals),
      model: modelFrom(values.model ?? defaults.model),
      backends: list('--backend', values.backend ?? defaults.backend, backendName),
      precisions: list('--precision', values.precision ?? defaults.precision, oneOf(precisions)),
      scenarios: list('--scenario', values.scenario ?? scenarioNames.join(), oneOf(scenarioNames)),
      batches: list('--batch', values.batch ?? defaults.batch, batchSize),
      seconds: secondsFrom(values.duration ?? defaults.duration),
    },
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: flags, allowPositionals: true })
  } catch (error) {
    const names = Object.keys(flags).map((name) => `--${name}`)
    throw new ConfigError('CONFIG_INVALID', {
      message: messageOf(error).replace(/\.?$/, '.'),
      remedy: `Options are ${names.join(', ')}; see --help.`,
      expected: names,
      received: args,
      cause: error,
    })
  }
}

function suitesFrom(positionals: readonly string[]): readonly SuiteName[] {
  if (positionals.length === 0) return suiteNames
  const [name] = positionals
  const suite = suiteNames.find((known) => known === name)
  if (suite && positionals.length === 1) return [suite]
  throw invalid('suite', `one of ${suiteNames.join(', ')}, or none for all`, positionals.join(' '))
}

function modelFrom(text: string): ModelChoice {
  const name = modelNames.find((known) => known === text)
  if (name) return { kind: 'generated', name }
  if (existsSync(text)) return { kind: 'file', path: resolve(text) }
  throw invalid('--model', `one of ${modelNames.join(', ')}, or an ONNX file that exists`, text)
}

/** What an item of a list must be, and its value where it is that. */
interface ItemParser<T> {
  readonly expected: string
  parse(item: string): T | undefined
}

function list<T>(flag: string, text: string, { expected, parse: parseItem }: ItemParser<T>): readonly T[] {
  const items = text.split(',').map((item) => {
    const value = parseItem(item.trim())
    if (value === undefined) throw invalid(flag, `a list of ${expected}`, item)
    return value
  })
  return [...new Set(items)]
}

const oneOf = <T extends string>(known: readonly T[]): ItemParser<T> => ({
  expected: known.join(', '),
  parse: (item) => known.find((name) => name === item),
})

const backendName: ItemParser<string> = {
  expected: 'cpu, cuda, trt or the NAME of an installed @lowlat/backend-NAME',
  parse: (item) => (/^[a-z][a-z0-9-]*$/.test(item) && item !== 'auto' ? item : undefined),
}

const batchSize: ItemParser<number> = {
  expected: `whole numbers from 1 to ${MAX_BATCH}`,
  parse: (item) => (/^\d+$/.test(item) && Number(item) >= 1 && Number(item) <= MAX_BATCH ? Number(item) : undefined),
}

function secondsFrom(text: string): number {
  const seconds = text.trim() === '' ? Number.NaN : Number(text)
  if (seconds > 0 && seconds <= MAX_SECONDS) return seconds
  throw invalid('--duration', `seconds above 0, up to ${MAX_SECONDS}`, text)
}

function invalid(what: string, expected: string, received: string): ConfigError {
  return new ConfigError('CONFIG_INVALID', {
    message: `Expected ${what} to be ${expected}, got '${received}'.`,
    remedy: 'See --help.',
    expected,
    received,
  })
}
