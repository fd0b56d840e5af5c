import { open } from 'node:fs/promises'
import type { Precision } from '@lowlat/core'
import { encodeModel, type Graph, modelFromGraph, type TensorProto } from '@lowlat/onnx'
import { ALIGNMENT } from '../memory/arena.ts'
import { alignUp } from '../program/struct.ts'
import { Checksum } from './checksum.ts'
import { encodeHeader, type PlanFacts } from './header.ts'
import type { PackingStore } from './packing-store.ts'

interface PlanParts {
  readonly facts: PlanFacts
  readonly precision: Precision
  /** As it is lowered. */
  readonly graph: Graph
  /** Initializers whose elements lowering reads at run time; those of all others are left out. */
  readonly kept: ReadonlySet<string>
  readonly store: PackingStore
}

/** Writes a plan's file. @throws what the file system throws. */
export async function writePlan(path: string, { facts, precision, graph, kept, store }: PlanParts): Promise<void> {
  const model = modelBytes(graph, kept)
  const weightsOffset = alignUp(model.byteLength, ALIGNMENT)
  const weights = new Checksum()
  for (const chunk of store.chunks()) weights.update(chunk)
  const header = encodeHeader({
    facts,
    precision,
    model: { offset: 0, sizeBytes: model.byteLength, checksum: new Checksum().update(model).value },
    weights: { offset: weightsOffset, sizeBytes: store.sizeBytes, checksum: weights.value },
    constants: store.entries,
  })
  const file = await open(path, 'wx')
  try {
    for (const bytes of [header, model, new Uint8Array(weightsOffset - model.byteLength)]) await file.writeFile(bytes)
    for (const chunk of store.chunks()) await file.writeFile(chunk)
  } finally {
    await file.close()
  }
}

const EXTERNAL = 1 // TensorProto.DataLocation
/** Where the model says that its left-out weights are: in the plan, packed. */
const IN_PLAN = 'packed in the plan'

function modelBytes(graph: Graph, kept: ReadonlySet<string>): Uint8Array {
  const { graph: message, ...model } = modelFromGraph(graph)
  const initializer = message?.initializer?.map((tensor) => (kept.has(tensor.name ?? '') ? tensor : without(tensor)))
  return encodeModel({ ...model, graph: { ...message, ...(initializer && { initializer }) } })
}

function without({ name, dims, dataType }: TensorProto): TensorProto {
  return {
    ...(name !== undefined && { name }),
    ...(dims && { dims }),
    ...(dataType !== undefined && { dataType }),
    dataLocation: EXTERNAL,
    externalData: [{ key: 'location', value: IN_PLAN }],
  }
}
