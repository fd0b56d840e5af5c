import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FileStamp, isLowlatError, isUnchanged, ModelError } from '@lowlat/core'
import { readAside } from '../builder/read-in-thread.ts'
import type { PlanMetadata } from '../plan-facts.ts'
import type { TensorRtEngine } from '../tensorrt/engine.ts'

/**
 * Brings the weights of a stripped plan from the model that it was made of.
 * @param beside files that hold weights beside it, as they were.
 * @throws ModelError PLAN_STALE where a file is gone or has changed, or the model lacks weights.
 */
export async function restoreWeights(
  engine: TensorRtEngine,
  metadata: PlanMetadata,
  beside: readonly FileStamp[] = [],
): Promise<void> {
  const { weightsFrom, precision, stronglyTyped } = metadata
  if (!weightsFrom) return
  const { path } = weightsFrom
  for (const stamp of [weightsFrom, ...beside]) await checkUnchanged(stamp)
  const folder = await mkdtemp(join(tmpdir(), 'lowlat-trt-'))
  try {
    const { model } = await readAside({ kind: 'file', path }, { precision, stronglyTyped, folder }, 'Loading the plan')
    const { missing } = await engine.refit(model)
    if (missing.length > 0) throw stale(path, `lacks the weights ${missing.slice(0, 5).join(', ')}`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function checkUnchanged(stamp: FileStamp): Promise<void> {
  const isSame = await isUnchanged(stamp).catch((cause: unknown) => {
    throw isLowlatError(cause, 'MODEL_NOT_FOUND') ? stale(stamp.path, 'is gone', cause) : cause
  })
  if (!isSame) throw stale(stamp.path, 'has changed')
}

function stale(path: string, what: string, cause?: unknown): ModelError {
  return new ModelError('PLAN_STALE', {
    message: `The plan has no weights of its own, and the file '${path}', where they come from, ${what}.`,
    remedy: 'Compile the model again, or leave out stripPlan.',
    received: path,
    cause,
  })
}
