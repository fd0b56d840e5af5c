import { type CudaContext, type DeviceMemory, Resources } from '@lowlat/cuda-driver'
import type { PlanFile } from '../plan/plan-file.ts'

const PIECE_BYTES = 4 << 20

/**
 * Copies the packed weights of a plan to the device: read from the file straight into pinned memory, two pieces in
 * turns, so that reading and copying overlap.
 * @throws BackendError OUT_OF_MEMORY and others; ModelError PLAN_INVALID. Nothing is kept then.
 */
export async function uploadWeights(plan: PlanFile, cuda: CudaContext): Promise<DeviceMemory> {
  const { sizeBytes } = plan.header.weights
  const memory = cuda.allocate(sizeBytes)
  try {
    using resources = new Resources()
    const stream = resources.own(cuda.createStream())
    const pieceBytes = Math.min(PIECE_BYTES, Math.max(4, sizeBytes))
    const halves = Array.from({ length: sizeBytes > pieceBytes ? 2 : 1 }, () => ({
      pinned: resources.own(cuda.allocatePinned(pieceBytes)),
      copied: resources.own(cuda.createEvent(false)),
      inUse: false,
    }))
    let turn = 0
    try {
      await plan.readWeights(
        async () => {
          const half = halves[turn % halves.length]!
          while (half.inUse && !half.copied.query()) await nextTurn()
          return half.pinned.bytes()
        },
        (piece, offset) => {
          const half = halves[turn++ % halves.length]!
          stream.copyToDevice(memory.address + offset, half.pinned.address, piece.byteLength)
          stream.record(half.copied)
          half.inUse = true
        },
      )
    } finally {
      // Pinned memory must not go while it is copied from.
      while (!cuda.lost && !stream.query()) await nextTurn()
    }
    return memory
  } catch (error) {
    memory.dispose()
    throw error
  }
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))
