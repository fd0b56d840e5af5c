/**
 * `pnpm --filter @lowlat/bench peer [--models LIST] [--python PATH] [--targets LIST]`: quantizes the models of the test
 * data with ONNX Runtime's own tool, in nine ways, and with lowlat's automatic one, from the same pictures; evaluates all
 * of them the same way, and prints a table in Markdown.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { ConfigError, messageOf } from '@lowlat/core'
import { describeModel } from '@lowlat/onnx'
import { testDataMissing } from '@lowlat/testing'
import { type Case, cases } from './cases.ts'
import { agreementOf, type Score, scoreOf } from './score.ts'

const run = promisify(execFile)
const peerScript = fileURLToPath(new URL('./quantize_peer.py', import.meta.url))
const ownScript = fileURLToPath(import.meta.resolve('./quantize-own.ts'))

const methods = ['minmax', 'entropy', 'percentile']
const schemes = ['u8s8-channel', 'u8s8-tensor', 's8s8-channel']
const names = Object.keys(cases)

interface Quantized {
  readonly recipe: string
  readonly seconds: number
  readonly peakRssBytes: number
  readonly score: Score
  /** Layers and values that stayed in float. */
  readonly inFloat?: number
  readonly speed?: { readonly speedup: number }
}

const { values } = parseArgs({
  options: { models: { type: 'string' }, python: { type: 'string' }, targets: { type: 'string' } },
})
const python = values.python ?? 'python3'
const models = listOf('--models', values.models, names)
const targets = listOf('--targets', values.targets, ['cpu', 'trt'], ['cpu'])

const reason = testDataMissing('MANIFEST.md') ?? (await pythonMissing())
if (reason) {
  process.stdout.write(`Skipped: ${reason}\n`)
} else {
  process.stdout.write(`${head()}\n`)
  for (const name of models) for (const line of await compare(name)) process.stdout.write(`${line}\n`)
}

function listOf(flag: string, given: string | undefined, known: readonly string[], usual = known): readonly string[] {
  const items = given?.split(',') ?? usual
  const unknown = items.find((item) => !known.includes(item))
  if (unknown === undefined) return items
  throw new ConfigError('CONFIG_INVALID', {
    message: `Expected ${flag} to be a list of ${known.join(', ')}, got '${unknown}'.`,
    remedy: 'Leave it out for all.',
    received: unknown,
  })
}

async function pythonMissing(): Promise<string | undefined> {
  try {
    await run(python, ['-c', 'import numpy, onnx, onnxruntime.quantization'])
    return undefined
  } catch (error) {
    const last = messageOf(error).trim().split('\n').at(-1)
    return `needs ${python} with numpy, onnx and onnxruntime: ${last}`
  }
}

function head(): string {
  const columns = ['model', 'FP32', 'quantized by', 'result', 'drop', 'agreement', 'in float', 'time', 'memory']
  return `| ${columns.join(' | ')} |\n| ${columns.map((_, i) => (i === 0 || i === 2 ? '---' : '---:')).join(' | ')} |`
}

async function compare(name: string): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'lowlat-peer-'))
  try {
    const example = await cases[name]!()
    const float = await scoreOf(example.model, example)
    await writeSamples(example, folder)
    const peers: Quantized[] = []
    for (const method of methods) {
      for (const scheme of schemes) {
        const recipe = `${method} ${scheme}`
        const args = ['--model', example.model, '--samples', folder, '--method', method, '--scheme', scheme]
        const output = join(folder, `${method}-${scheme}.onnx`)
        const command = [python, peerScript, ...args, '--output', output]
        peers.push(...(await attempt(recipe, command, output, example)))
      }
    }
    const own: Quantized[] = []
    for (const target of targets) {
      const output = join(folder, `lowlat-${target}.onnx`)
      const node = [process.execPath, '--conditions=@lowlat/source', '--import', 'tsx']
      const command = [...node, ownScript, name, target, output]
      own.push(...(await attempt(`lowlat, auto, for ${target}`, command, output, example)))
    }
    const ranked = peers.sort((a, b) => quality(b, float) - quality(a, float))
    const all = [...new Set([...ranked.slice(0, 1), ...ranked.slice(-1), ...own])]
    return all.map((each) => lineOf(name, float, each, labelOf(each, ranked)))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function labelOf({ recipe }: Quantized, ranked: readonly Quantized[]): string {
  if (recipe === ranked[0]?.recipe) return `best of ${ranked.length}: ${recipe}`
  return recipe === ranked.at(-1)?.recipe ? `worst: ${recipe}` : `**${recipe}**`
}

/** None for a recipe that fails: it is said, and the others go on. */
async function attempt(
  recipe: string,
  [command, ...args]: readonly string[],
  output: string,
  example: Case,
): Promise<Quantized[]> {
  try {
    const { stdout } = await run(command!, args, { maxBuffer: 2 ** 26 })
    const cost = JSON.parse(stdout.trim().split('\n').at(-1)!) as Omit<Quantized, 'recipe' | 'score'>
    return [{ ...cost, recipe, score: await scoreOf(output, example) }]
  } catch (error) {
    process.stderr.write(`${recipe} failed: ${messageOf(error).trim()}\n`)
    return []
  }
}

/** Agreement tells models apart that few pictures tell apart by top-1. */
function quality({ score }: Quantized, float: Score): number {
  return agreementOf(float, score) ?? score.value
}

async function writeSamples(example: Case, folder: string): Promise<void> {
  const tensors = example.kind === 'classifier' ? example.calibration : example.calibration.map(({ tensor }) => tensor)
  const file = await open(join(folder, 'samples.f32'), 'w')
  try {
    for (const tensor of tensors) await file.write(tensor.toFloat32())
  } finally {
    await file.close()
  }
  const [input] = describeModel(await readFile(example.model)).inputs
  const facts = { input: input!.name, shape: tensors[0]!.shape, count: tensors.length }
  await writeFile(join(folder, 'samples.json'), JSON.stringify(facts))
}

function lineOf(
  name: string,
  float: Score,
  { score, seconds, peakRssBytes, inFloat }: Quantized,
  label: string,
): string {
  const agreement = agreementOf(float, score)
  const cells = [
    name,
    float.value.toFixed(2),
    label,
    score.value.toFixed(2),
    (float.value - score.value).toFixed(2),
    agreement === undefined ? 'mAP' : `${agreement.toFixed(2)} %`,
    inFloat === undefined ? '' : String(inFloat),
    `${seconds.toFixed(1)} s`,
    `${(peakRssBytes / 1e9).toFixed(2)} GB`,
  ]
  return `| ${cells.join(' | ')} |`
}
