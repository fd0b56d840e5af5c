import { type DType, ModelError, type Precision, type Shape } from '@lowlat/core'
import type { DeviceFacts } from '../program/constants.ts'
import { Checksum } from './checksum.ts'

/*
 * A plan's file, little-endian:
 *
 *   0   'LOWLCUDA', the format's version and the header's length and checksum: 4 bytes each
 *   20  the header: JSON, as PlanHeader
 *   then, from the next multiple of 4096 on, the data: the optimised model (ONNX, without its large weights), and from
 *   a multiple of 256 on the packed weights
 */

const MAGIC = 'LOWLCUDA'
/** Changes whenever the layout of the file or the meaning of its fields does. */
const FORMAT = 1
const PREAMBLE_BYTES = 20
const MAX_HEADER_BYTES = 1 << 28

/** What a plan was made for; all of it must be the same where it is loaded. */
export interface PlanFacts {
  /** Hash of the kernels' image: packings and parameters belong to it. */
  readonly kernels: string
  readonly device: DeviceFacts
  readonly tf32: boolean
}

/** A part of the data. */
interface Section {
  /** From the start of the data. */
  readonly offset: number
  readonly sizeBytes: number
  readonly checksum: number
}

export interface ConstantEntry {
  readonly key: string
  readonly dtype: DType
  readonly shape: Shape
  /** From the start of the packed weights. */
  readonly offset: number
  readonly sizeBytes: number
}

export interface PlanHeader {
  readonly facts: PlanFacts
  readonly precision: Precision
  readonly model: Section
  readonly weights: Section
  readonly constants: readonly ConstantEntry[]
}

/** Everything before the data. */
export function encodeHeader(header: PlanHeader): Uint8Array {
  const json = Buffer.from(JSON.stringify(header))
  const bytes = new Uint8Array(dataStart(json.byteLength))
  bytes.set(Buffer.from(MAGIC))
  const view = new DataView(bytes.buffer)
  view.setUint32(8, FORMAT, true)
  view.setUint32(12, json.byteLength, true)
  view.setUint32(16, new Checksum().update(json).value, true)
  bytes.set(json, PREAMBLE_BYTES)
  return bytes
}

const dataStart = (headerBytes: number) => Math.ceil((PREAMBLE_BYTES + headerBytes) / 4096) * 4096

/** Reads `sizeBytes` bytes at `offset` of a plan; shorter where the plan ends. */
type ReadPlan = (offset: number, sizeBytes: number) => Promise<Uint8Array>

/**
 * @param sizeBytes of the whole plan.
 * @returns the header, and where the data start.
 * @throws ModelError PLAN_INVALID for what is no plan or damaged; PLAN_STALE for a plan of another format.
 */
export async function readHeader(read: ReadPlan, sizeBytes: number): Promise<{ header: PlanHeader; start: number }> {
  const preamble = await read(0, PREAMBLE_BYTES)
  if (preamble.byteLength < PREAMBLE_BYTES || Buffer.from(preamble.subarray(0, 8)).toString('latin1') !== MAGIC) {
    throw invalidPlan('it does not start as one')
  }
  const view = new DataView(preamble.buffer, preamble.byteOffset, preamble.byteLength)
  const format = view.getUint32(8, true)
  if (format !== FORMAT) throw stalePlan('format', FORMAT, format)
  const length = view.getUint32(12, true)
  if (length > MAX_HEADER_BYTES) throw invalidPlan(`its header has ${length} bytes`)
  const json = await read(PREAMBLE_BYTES, length)
  if (json.byteLength < length || new Checksum().update(json).value !== view.getUint32(16, true)) {
    throw invalidPlan('its header fails its checksum')
  }
  const header = JSON.parse(Buffer.from(json).toString('utf8')) as PlanHeader
  const start = dataStart(length)
  const expected = start + header.weights.offset + header.weights.sizeBytes
  if (sizeBytes !== expected) throw invalidPlan(`it has ${sizeBytes} bytes instead of ${expected}`)
  return { header, start }
}

/** @throws ModelError PLAN_STALE naming the first fact that differs. */
export function checkFacts(made: PlanFacts, here: PlanFacts): void {
  if (made.kernels !== here.kernels) throw stalePlan('kernels', here.kernels, made.kernels)
  for (const fact of ['computeCapability', 'multiprocessors', 'sharedBytesPerBlock', 'l2Bytes'] as const) {
    if (made.device[fact] !== here.device[fact]) throw stalePlan(fact, here.device[fact], made.device[fact])
  }
  if (made.tf32 !== here.tf32) throw stalePlan('tf32', here.tf32, made.tf32)
}

function stalePlan(what: string, expected: unknown, received: unknown): ModelError {
  return new ModelError('PLAN_STALE', {
    message: `Expected a plan of the CUDA backend with ${what} ${String(expected)}, got one with ${String(received)}.`,
    remedy: 'Compile the model again, on this machine and with these options.',
    expected,
    received,
    details: { differs: what },
  })
}

export function invalidPlan(why: string, cause?: unknown): ModelError {
  return new ModelError('PLAN_INVALID', {
    message: `Expected the file of a plan of the CUDA backend, but ${why}.`,
    remedy: 'Compile the model again.',
    cause,
  })
}
