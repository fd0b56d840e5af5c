import { createHash, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PlanCache, stampOf, type TensorInfo } from '@lowlat/core'
import { describeModel, generateModel, type ModelName } from '@lowlat/onnx'
import type { ModelFacts } from './subjects/spec.ts'

/** Stands wherever a generated model is shown. */
const GENERATED = 'generated weights, latency only'

/** A model as the command line names it: one that is generated, or a file. */
export type ModelChoice =
  | { readonly kind: 'generated'; readonly name: ModelName }
  | { readonly kind: 'file'; readonly path: string }

const SEED = 1
/** Side of the images for models that take any size. */
const OPEN_IMAGE_SIZE = 224

/** Generates the model unless it is in the cache, and reads what subjects have to know of it. @throws ModelError. */
export async function loadModelFacts(choice: ModelChoice): Promise<ModelFacts> {
  const path = choice.kind === 'file' ? (await stampOf(choice.path)).path : await generatedModel(choice.name)
  const { inputs, outputs } = describeModel(await readFile(path))
  return { path, label: labelOf(choice), inputs, imageSize: imageSizeOf(inputs, outputs) }
}

function labelOf(choice: ModelChoice): string {
  return choice.kind === 'file' ? choice.path : `${choice.name} (${GENERATED})`
}

/** Path of a generated model beside the plan cache. Its name changes with the code that generates it. */
async function generatedModel(name: ModelName): Promise<string> {
  const generator = await readFile(fileURLToPath(import.meta.resolve('@lowlat/onnx')))
  const recipe = createHash('sha256').update(generator).update(`${name} ${SEED}`).digest('hex').slice(0, 16)
  const path = join(new PlanCache().folder, 'bench-models', `${name}-${recipe}.onnx`)
  if (existsSync(path)) return path
  await mkdir(dirname(path), { recursive: true })
  // Whole or not at all, also when two benches run at once.
  const temporary = `${path}.${randomUUID()}`
  await writeFile(temporary, generateModel(name, { seed: SEED }))
  await rename(temporary, path)
  return path
}

/** Side of the square image that a classifier takes: one float32 input [N, 3, S, S] and scores [N, C]. */
function imageSizeOf(inputs: readonly TensorInfo[], outputs: readonly TensorInfo[]): number | undefined {
  const [input] = inputs
  if (inputs.length !== 1 || input?.dtype !== 'float32' || input.shape.length !== 4) return undefined
  if (outputs[0]?.dtype !== 'float32' || outputs[0].shape.length !== 2) return undefined
  const [, channels, height, width] = input.shape
  if (channels !== 3) return undefined
  if (typeof height === 'string' && typeof width === 'string') return OPEN_IMAGE_SIZE
  return typeof height === 'number' && height === width ? height : undefined
}
