import type { Target } from '@lowlat/quantize'
import type { AccuracyTask, Variant } from './task.ts'

export const FLOAT_SUBJECT = 'FP32'
export const AUTO_SUBJECT = 'INT8 PTQ, auto'

/** Backends that there is a quantization recipe for. */
const targets: readonly string[] = ['cpu', 'cuda', 'trt'] satisfies Target[]

export const isTarget = (backend: string): backend is Target => targets.includes(backend)

/** The rows of the table, the model itself first. */
export function variantsOf({ qat }: AccuracyTask, backend: Target): Variant[] {
  const half = backend === 'cpu' ? 'FP16 (stored; computed by the CPU in float)' : 'FP16'
  return [
    { subject: FLOAT_SUBJECT, precision: 'fp32', recipe: 'fp32' },
    { subject: half, precision: 'fp16', recipe: 'fp16' },
    { subject: 'INT8 PTQ, min-max', precision: 'int8', recipe: 'minmax' },
    { subject: 'INT8 PTQ, entropy', precision: 'int8', recipe: 'entropy' },
    { subject: 'INT8 PTQ, percentile', precision: 'int8', recipe: 'percentile' },
    { subject: 'INT8 PTQ, MSE', precision: 'int8', recipe: 'mse' },
    { subject: AUTO_SUBJECT, precision: 'int8', recipe: 'auto' },
    ...(qat === undefined ? [] : [{ subject: 'INT8 QAT', precision: 'int8', recipe: 'qat' } as const]),
  ]
}
