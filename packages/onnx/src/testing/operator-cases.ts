import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decode } from '../codec/decode.ts'
import { graphFromOnnx } from '../graph/from-onnx.ts'
import { Initializer } from '../graph/initializer.ts'
import { type OrtFeeds, ortTensorFrom } from './run-model.ts'

export interface OperatorCase {
  readonly name: string
  readonly bytes: Uint8Array
  /** The inputs of its first data set; undefined where some are no tensors. */
  readonly inputs: readonly Initializer[] | undefined
}

/** ONNX's own single-operator cases from their archive, or the reason why they cannot be had. */
export function operatorCases(archive: string): readonly OperatorCase[] | string {
  const folder = mkdtempSync(join(tmpdir(), 'lowlat-cases-'))
  try {
    const { error, status } = spawnSync('tar', ['-xJf', archive, '-C', folder])
    if (error || status !== 0) return 'needs the commands tar and xz'
    const root = join(folder, 'onnx_node_cases')
    return readdirSync(root).map((name) => readCase(name, join(root, name)))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function readCase(name: string, folder: string): OperatorCase {
  const bytes = readFileSync(join(folder, 'model.onnx'))
  const graph = graphFromOnnx(bytes)
  const isTensor = [...graph.inputs, ...graph.outputs].every(({ elementType }) => elementType)
  const read = (index: number) => readFileSync(join(folder, 'test_data_set_0', `input_${index}.pb`))
  const inputs = isTensor ? graph.inputs.map((_, index) => decode('TensorProto', read(index))) : undefined
  return { name, bytes, inputs: inputs?.map((message) => Initializer.fromMessage(message)) }
}

/** Undefined where onnxruntime-node cannot be fed with them. */
export function feedsOf({ bytes, inputs }: OperatorCase): OrtFeeds | undefined {
  const feeds: OrtFeeds = {}
  for (const [index, { name }] of graphFromOnnx(bytes).inputs.entries()) {
    const tensor = inputs && ortTensorFrom(inputs[index]!)
    if (!tensor) return undefined
    feeds[name] = tensor
  }
  return feeds
}
