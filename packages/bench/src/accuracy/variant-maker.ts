import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Tensor } from '@lowlat/core'
import { describeModel, graphFromFile, onnxFromGraph } from '@lowlat/onnx'
import {
  type CalibrationMethod,
  type CalibrationTable,
  convertToFloat16,
  importQuantized,
  quantize,
  type Target,
} from '@lowlat/quantize'
import { backendInput } from '../subjects/backends.ts'
import type { AccuracyTask, Variant, VariantFile } from './task.ts'

/** Makes the variants of a model, which share one calibration. */
export class VariantMaker {
  readonly #task: AccuracyTask
  readonly #target: Target
  readonly #folder: string
  readonly #samples: readonly Tensor[]
  #calibration: CalibrationTable | undefined

  constructor(task: AccuracyTask, target: Target, folder: string, samples: readonly Tensor[]) {
    this.#task = task
    this.#target = target
    this.#folder = folder
    this.#samples = samples
  }

  /** @throws as quantizing and reading the model do. */
  async make({ recipe }: Variant): Promise<VariantFile> {
    const path = await this.#fileOf(recipe)
    const { inputs } = describeModel(await readFile(path))
    const shape = this.#samples[0]!.shape
    return { path, sizeBytes: (await stat(path)).size, inputs: inputs.map((input) => ({ ...input, shape })) }
  }

  async #fileOf(recipe: Variant['recipe']): Promise<string> {
    if (recipe === 'fp32') return this.#task.model
    const path = join(this.#folder, `${recipe}.onnx`)
    await writeFile(path, await this.#bytesOf(recipe))
    return path
  }

  async #bytesOf(recipe: Exclude<Variant['recipe'], 'fp32'>): Promise<Uint8Array> {
    const { model, qat } = this.#task
    switch (recipe) {
      case 'fp16':
        return onnxFromGraph(convertToFloat16(await graphFromFile(model)).graph)
      case 'qat':
        return onnxFromGraph(importQuantized(await graphFromFile(qat!), { target: this.#target }).graph)
      default:
        return this.#quantized(recipe)
    }
  }

  /** A calibrator alone, as everybody has it, or everything that the automatic recipe does. */
  async #quantized(method: 'auto' | CalibrationMethod): Promise<Uint8Array> {
    const { model, calibration } = await quantize(this.#task.model, {
      samples: this.#samples,
      target: this.#target,
      method,
      ...(method !== 'auto' && { weights: 'absmax', recovery: 'none', leadingLayers: 'int8' }),
      ...(this.#calibration && { calibration: this.#calibration }),
      backend: backendInput(this.#target),
    })
    this.#calibration = calibration
    return model
  }
}
