import { byteLengthOf, type DType, type Shape, sizeOf } from '@lowlat/core'
import type { WorkspaceSizes } from '@lowlat/cuda-driver'

/** A tensor of a run. */
export interface RunTensor {
  readonly name: string
  readonly dtype: DType
  readonly shape: Shape
}

/** Where it is, in device memory and in pinned memory: the same offset from the start of both. */
export interface Placed extends RunTensor {
  readonly offsetBytes: number
  readonly sizeBytes: number
}

/** The tensors of a run side by side, inputs first, so that all of one kind are copied at once. */
export interface Layout {
  readonly inputs: readonly Placed[]
  /** From the start to the end of the last input. */
  readonly inputBytes: number
  readonly outputs: readonly Placed[]
  /** From the start of the first output to the end of the last. */
  readonly outputBytes: number
  readonly outputOffset: number
  readonly sizeBytes: number
}

/** What TensorRT wants of addresses, and what the driver's own allocations have. */
const ALIGNMENT = 256

export const alignUp = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT

export function layoutOf(inputs: readonly RunTensor[], outputs: readonly RunTensor[]): Layout {
  let end = 0
  const place = (tensor: RunTensor): Placed => {
    const offsetBytes = alignUp(end)
    const sizeBytes = byteLengthOf(tensor.dtype, sizeOf(tensor.shape))
    end = offsetBytes + sizeBytes
    return { ...tensor, offsetBytes, sizeBytes }
  }
  const placedInputs = inputs.map(place)
  const inputBytes = end
  const outputOffset = alignUp(end)
  const placedOutputs = outputs.map(place)
  const outputBytes = outputs.length > 0 ? end - outputOffset : 0
  // One element more than nothing: empty tensors have an address too.
  return {
    inputs: placedInputs,
    inputBytes,
    outputs: placedOutputs,
    outputOffset,
    outputBytes,
    sizeBytes: alignUp(end) + ALIGNMENT,
  }
}

/** @param scratchBytes what TensorRT works in, before the tensors in device memory; aligned. */
export const workspaceSizes = ({ sizeBytes }: Layout, scratchBytes: number): WorkspaceSizes => ({
  arenaBytes: scratchBytes + sizeBytes,
  stagingBytes: sizeBytes,
})
