import type { StructLayout } from './struct.ts'
import { bytesPerElement, type DeviceBuffer, type View } from './view.ts'

/** An address that is known once the buffer has one. */
export interface Pointer {
  readonly buffer: DeviceBuffer
  readonly offsetBytes: number
}

/** What a field of a kernel's struct is set to; undefined leaves zeros (a null pointer). Arrays may be shorter. */
export type Argument = number | Pointer | readonly number[] | readonly (Pointer | undefined)[] | undefined

/** One kernel with everything that it is started with. */
export interface Launch {
  /** Name of the `extern "C"` function in the kernel image. */
  readonly kernel: string
  readonly layout: StructLayout
  readonly grid: readonly [x: number, y: number, z: number]
  /** Threads per block; blocks are one-dimensional. */
  readonly threads: number
  /** Dynamic shared memory; kernels use no other. */
  readonly sharedBytes: number
  readonly arguments: Readonly<Record<string, Argument>>
  /** Every buffer that the kernel reads and writes: what memory planning and host steps go by. */
  readonly reads: readonly DeviceBuffer[]
  readonly writes: readonly DeviceBuffer[]
  /** Variant of the kernel and its parameters, for reports. */
  readonly tactic: string
}

/** The address of a view's first element. */
export function pointerTo({ buffer, dtype, offset }: View): Pointer {
  return { buffer, offsetBytes: offset * bytesPerElement(dtype) }
}

/**
 * The arguments of all parts; later parts win. For kernels with dozens of them: literals that spread so many properties
 * take a tenth of a millisecond, because each property makes a new hidden class of the object.
 */
export function joined(...parts: readonly Readonly<Record<string, Argument>>[]): Record<string, Argument> {
  const all: Record<string, Argument> = Object.create(null)
  for (const part of parts) for (const name of Object.keys(part)) all[name] = part[name]
  return all
}
