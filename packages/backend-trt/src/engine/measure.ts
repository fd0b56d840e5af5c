import { isLowlatError, type OptimizationProfile, type TensorInfo } from '@lowlat/core'
import type { CudaContext, WorkspaceSizes } from '@lowlat/cuda-driver'
import type { TensorRtEngine } from '../tensorrt/engine.ts'
import type { EngineIo } from './io.ts'
import { layoutOf, workspaceSizes } from './layout.ts'

/**
 * What a context has to hold for the largest shapes of every profile, so that its memory, and with it the graphs that refer
 * to it, need not be replaced later. Sizes that depend on data are left out.
 */
export async function measureSizes(
  engine: TensorRtEngine,
  io: EngineIo,
  inputs: readonly TensorInfo[],
  profiles: readonly OptimizationProfile[],
  scratchBytes: number,
  cuda: CudaContext,
): Promise<WorkspaceSizes> {
  const none: WorkspaceSizes = { arenaBytes: scratchBytes, stagingBytes: 0 }
  if (io.usesHost) return none // shapes of outputs hang on values
  using stream = cuda.createStream()
  await using context = await engine.createContext({ memory: 'user' })
  const largest = (sizes: WorkspaceSizes, index: number): WorkspaceSizes => {
    const profile = profiles[index]
    const shapes = inputs.map(({ name, dtype, shape }) => {
      const max = profile && Object.hasOwn(profile, name) ? profile[name]!.max : undefined
      return { name, dtype, shape: max ?? shape.map(Number) }
    })
    try {
      for (const { name, shape } of shapes) context.setInputShape(name, shape)
      context.inferShapes()
      const outputs = io.outputs.map((output) => ({ ...output, shape: context.shapeOf(output.name) }))
      const known = outputs.filter(({ shape }) => shape.every((size) => size >= 0))
      const own = workspaceSizes(layoutOf(shapes, known), scratchBytes)
      return {
        arenaBytes: Math.max(sizes.arenaBytes, own.arenaBytes),
        stagingBytes: Math.max(sizes.stagingBytes, own.stagingBytes),
      }
    } catch (error) {
      // The largest sizes of all inputs need not go together; memory grows with what runs then.
      if (isLowlatError(error, 'RUN_FAILED')) return sizes
      throw error
    }
  }
  let sizes = none
  for (let index = 0; index < Math.max(1, profiles.length); index++) {
    await context.setProfileInThread(index, stream)
    sizes = largest(sizes, index)
  }
  return sizes
}
