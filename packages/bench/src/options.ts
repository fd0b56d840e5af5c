import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ConfigError, messageOf, type Precision } from '@lowlat/core'
import { type ModelName, modelNames } from '@lowlat/onnx'
import { presetNames } from './accuracy/image-options.ts'
import type { AccuracyChoice } from './accuracy/task.ts'
import { accuracyFrom } from './accuracy-options.ts'
import { invalid, isFile } from './invalid-option.ts'
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
  /** What the accuracy suite measures. */
  readonly accuracy: AccuracyChoice
  /** What the int8 suite quantizes and measures. */
  readonly int8Models: readonly ModelChoice[]
}

export interface CommandLine {
  readonly help: boolean
  readonly options: BenchOptions
  readonly json: string | undefined
  readonly html: string | undefined
}

export const precisions: readonly Precision[] = ['model', 'fp32', 'fp16', 'int8']
export const MAX_BATCH = 1024
export const MAX_SECONDS = 3600
export const MAX_PICTURES = 1_000_000
/** Without int8, whose models take three minutes. */
const defaultSuites: readonly SuiteName[] = suiteNames.filter((name) => name !== 'int8')
const int8ModelNames: readonly ModelName[] = modelNames.filter((name) => name !== 'tiny')
const defaults = {
  model: 'resnet50',
  backend: 'cpu,cuda,trt',
  precision: 'fp32',
  batch: '1',
  duration: '8',
  preprocess: 'imagenet',
  'class-offset': '0',
  pictures: '1000',
}

const flags = {
  model: { type: 'string' },
  backend: { type: 'string' },
  precision: { type: 'string' },
  scenario: { type: 'string' },
  batch: { type: 'string' },
  duration: { type: 'string' },
  data: { type: 'string' },
  qat: { type: 'string' },
  preprocess: { type: 'string' },
  'class-offset': { type: 'string' },
  pictures: { type: 'string' },
  json: { type: 'string' },
  html: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

type Flag = keyof typeof flags

/** Options that not every suite looks at: given for another one, they would do nothing. */
const suitesOf: Partial<Record<Flag, readonly SuiteName[]>> = {
  backend: ['latency', 'overhead', 'coldstart', 'accuracy', 'int8'],
  precision: ['latency', 'overhead', 'coldstart'],
  scenario: ['latency'],
  batch: ['latency'],
  data: ['accuracy'],
  qat: ['accuracy'],
  preprocess: ['accuracy'],
  'class-offset': ['accuracy'],
  pictures: ['accuracy'],
}

export const help = `Measures lowlat against plain onnxruntime-node, in turns, and prints a table of latencies.

Usage: bench [${suiteNames.join('|')}] [options]        all suites but int8 when none is named

  latency      JPEG bytes to the five best classes, through the whole pipeline
  overhead     what a session adds to a run on tensors that are ready
  preprocess   JPEG bytes to a normalised tensor
  coldstart    load and first run in a new process
  accuracy     a classifier in float, half precision and INT8: top-1, agreement, latency, size
  int8         what INT8 makes of ${int8ModelNames.join(', ')}, or of --model: latency, size

Options (LIST is separated by commas)
  --model NAME|FILE   ${modelNames.join(', ')}, or an ONNX file (default ${defaults.model};
                      of int8, four of them)
                      named models have generated weights: their latency is real, their answers mean nothing
  --backend LIST      cpu, cuda, trt or any installed @lowlat/backend-NAME (default ${defaults.backend})
  --precision LIST    ${precisions.join(', ')} (default ${defaults.precision})
  --scenario LIST     of the latency suite (default all):
${scenarioNames.map((name) => `                        ${name.padEnd(14)}${scenarios[name].description}`).join('\n')}
  --batch LIST        images per request of the latency suite (default ${defaults.batch})
  --duration SECONDS  time that each row is measured for (default ${defaults.duration})

Options of the accuracy suite, which measures a small model of the project's own without them
  --data DIR|TSV      labelled pictures for --model FILE: a folder of folders, one per class, or lines of
                      file<TAB>class[<TAB>split], with the splits calibration and evaluation; in DIR as labels.tsv
  --preprocess P      ${presetNames.join(', ')}, or image options as JSON (default ${defaults.preprocess})
  --class-offset N    added to every class of the data (default ${defaults['class-offset']})
  --qat FILE          the same model from quantization-aware training, as a further row
  --pictures N        most pictures to evaluate on (default ${defaults.pictures})

  --json FILE         write environment, rows and raw samples
  --html FILE         write a report with charts, in one file
  --help              print this text
`

/** @throws ConfigError CONFIG_INVALID naming the option, what came and the valid values. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const { values, positionals } = parse(args)
  const suites = suitesFrom(positionals)
  checkUsed(values, suites)
  const { json, html } = outputsFrom(values)
  const model = modelFrom(values.model ?? defaults.model)
  return {
    help: values.help ?? false,
    json,
    html,
    options: {
      suites,
      model,
      backends: list('--backend', values.backend ?? defaults.backend, backendName),
      precisions: list('--precision', values.precision ?? defaults.precision, oneOf(precisions)),
      scenarios: list('--scenario', values.scenario ?? scenarioNames.join(), oneOf(scenarioNames)),
      batches: list('--batch', values.batch ?? defaults.batch, batchSize),
      seconds: secondsFrom(values.duration ?? defaults.duration),
      accuracy: accuracyFrom({
        model: values.model === undefined ? undefined : model,
        data: values.data,
        qat: values.qat,
        preprocess: values.preprocess,
        classOffset: whole('--class-offset', values['class-offset'], defaults['class-offset'], [0, MAX_BATCH]),
        mostPictures: whole('--pictures', values.pictures, defaults.pictures, [1, MAX_PICTURES]),
        alone: positionals.length > 0 && suites.includes('accuracy'),
      }),
      int8Models: values.model === undefined ? int8ModelNames.map((name) => ({ kind: 'generated', name })) : [model],
    },
  }
}

function parse(args: readonly string[]) {
  try {
    const parsed = parseArgs({ args: [...args], options: flags, allowPositionals: true, tokens: true })
    const given = parsed.tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : []))
    const twice = given.find((name, index) => given.indexOf(name) !== index)
    if (twice !== undefined) throw new Error(`Expected --${twice} once, got it twice`)
    return parsed
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

function checkUsed(values: Partial<Record<Flag, string | boolean>>, suites: readonly SuiteName[]): void {
  for (const [flag, users] of Object.entries(suitesOf)) {
    const value = values[flag as Flag]
    if (value !== undefined && !users.some((suite) => suites.includes(suite))) {
      throw invalid(`--${flag}`, `left out, since it is for ${users.join(', ')} and not for ${suites}`, String(value))
    }
  }
}

function outputsFrom({ json, html }: { json?: string; html?: string }) {
  for (const [flag, path] of Object.entries({ json, html })) {
    if (path?.trim() === '') throw invalid(`--${flag}`, 'the path of a file', path)
  }
  if (json !== undefined && html !== undefined && resolve(json) === resolve(html)) {
    throw invalid('--html', 'another file than --json', html)
  }
  return { json, html }
}

function suitesFrom(positionals: readonly string[]): readonly SuiteName[] {
  if (positionals.length === 0) return defaultSuites
  const [name] = positionals
  const suite = suiteNames.find((known) => known === name)
  if (suite && positionals.length === 1) return [suite]
  throw invalid('suite', `one of ${suiteNames.join(', ')}, or none for all but int8`, positionals.join(' '))
}

function modelFrom(text: string): ModelChoice {
  const name = modelNames.find((known) => known === text)
  if (name) return { kind: 'generated', name }
  if (isFile(text)) return { kind: 'file', path: resolve(text) }
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

function whole(flag: string, given: string | undefined, usual: string, [low, high]: readonly [number, number]): number {
  const text = given ?? usual
  if (/^\d+$/.test(text) && Number(text) >= low && Number(text) <= high) return Number(text)
  throw invalid(flag, `a whole number from ${low} to ${high}`, text)
}
