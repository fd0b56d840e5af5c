import { type Dim, type DType, dtypes, isDType, ModelError, sizeOf, type TensorInfo } from '@lowlat/core'
import { invalidModel } from '../codec/errors.ts'
import type { GraphProto, ModelProto, NodeProto, ValueInfoProto } from '../codec/messages.ts'
import { decodeModel } from '../codec/model.ts'
import { Initializer } from './initializer.ts'
import { modelInfoFrom, normalDomain, opsetOf } from './model-info.ts'
import { typeFromInfo } from './value-type.ts'

export interface ValueDescription extends TensorInfo {
  /** True where the file does not even say the rank; `shape` is empty then, which does not mean a scalar. */
  readonly unknownRank?: true
}

export interface ModelDescription {
  /** What a run must be fed: declared inputs without an initializer. */
  readonly inputs: readonly ValueDescription[]
  readonly outputs: readonly ValueDescription[]
  readonly irVersion: number
  /** Version of ONNX's own operator set. */
  readonly opset: number
  /** Name and version of the exporter; empty when the file does not say. */
  readonly producer: string
  /** How often each operator occurs, subgraphs and functions included; foreign ones as 'domain:Operator'. */
  readonly operators: ReadonlyMap<string, number>
  /** Whether it holds Q/DQ pairs or integer operators. */
  readonly quantized: boolean
  /** The float type of most weights (of most inputs where there are no float weights); undefined for neither. */
  readonly floatPrecision: DType | undefined
}

/**
 * What a model is, from its structure alone: weights are not touched.
 * @throws ModelError MODEL_INVALID for bytes that are not ONNX; MODEL_UNSUPPORTED for inputs or outputs that are not
 * numeric tensors; InputError INVALID_ARGUMENT for what is no Uint8Array.
 */
export function describeModel(bytes: Uint8Array): ModelDescription {
  const model = decodeModel(bytes)
  const graph = model.graph ?? {}
  const info = modelInfoFrom(model)
  const constants = new Set([
    ...(graph.initializer ?? []).map(({ name }) => name),
    ...(graph.sparseInitializer ?? []).map(({ values }) => values?.name),
  ])
  const inputs = (graph.input ?? []).filter(({ name }) => !constants.has(name)).map(describeValue)
  const operators = countOperators(model)
  return {
    inputs,
    outputs: (graph.output ?? []).map(describeValue),
    irVersion: info.irVersion,
    opset: opsetOf(info),
    producer: `${info.producerName} ${info.producerVersion}`.trim(),
    operators,
    quantized: [...operators.keys()].some((name) => quantizedOperator.test(name)),
    floatPrecision: floatPrecisionOf(graph, inputs),
  }
}

/** For backends that need the rank of every input. @throws ModelError MODEL_UNSUPPORTED where the model does not say it. */
export function checkInputRanks({ inputs }: ModelDescription): void {
  const input = inputs.find(({ unknownRank }) => unknownRank)
  if (!input) return
  throw new ModelError('MODEL_UNSUPPORTED', {
    message: `Expected a known number of axes for the input '${input.name}', but the model gives none.`,
    remedy: "Export the model with the shapes of its inputs, or use the backend 'cpu'.",
    received: input.name,
  })
}

/** QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear, QLinearConv..., ConvInteger, MatMulInteger... */
const quantizedOperator = /(QuantizeLinear|DequantizeLinear|QLinear\w*|Integer)$/

function describeValue(info: ValueInfoProto): ValueDescription {
  const name = info.name ?? ''
  const { elementType, shape } = typeFromInfo(info)
  if (!isDType(elementType)) {
    if (!info.type) throw invalidModel(`Expected a type for the input or output '${name}', but the file gives none.`)
    throw new ModelError('MODEL_UNSUPPORTED', {
      message: `Expected a numeric tensor as the input or output '${name}', got ${elementType ?? kindOf(info)}.`,
      remedy: 'Cut the model where its values are numeric tensors, and do the rest in JavaScript.',
      details: { name },
    })
  }
  if (!shape) return { name, dtype: elementType, shape: [], unknownRank: true }
  return { name, dtype: elementType, shape: shape.map((dim, axis): Dim => dim ?? `${name}_${axis}`) }
}

function kindOf({ type }: ValueInfoProto): string {
  if (type?.sequenceType) return 'a sequence'
  if (type?.mapType) return 'a map'
  if (type?.optionalType) return 'an optional value'
  if (type?.sparseTensorType) return 'a sparse tensor'
  return type?.tensorType ? `a tensor of data type ${type.tensorType.elemType ?? 0}` : 'another type'
}

function countOperators(model: ModelProto): Map<string, number> {
  const counts = new Map<string, number>()
  const visit = (nodes: readonly NodeProto[] = []) => {
    for (const { opType = '', domain, attribute = [] } of nodes) {
      const name = normalDomain(domain) === '' ? opType : `${domain}:${opType}`
      counts.set(name, (counts.get(name) ?? 0) + 1)
      for (const { g, graphs = [] } of attribute) for (const graph of g ? [g] : graphs) visit(graph.node)
    }
  }
  visit(model.graph?.node)
  for (const { node } of model.functions ?? []) visit(node)
  return counts
}

function floatPrecisionOf(graph: GraphProto, inputs: readonly TensorInfo[]): DType | undefined {
  const sizes = new Map<DType, number>()
  const count = (dtype: DType, size: number) => {
    if (dtypes[dtype].kind === 'float') sizes.set(dtype, (sizes.get(dtype) ?? 0) + size)
  }
  for (const message of graph.initializer ?? []) {
    const { elementType, shape } = Initializer.fromMessage(message)
    if (isDType(elementType)) count(elementType, sizeOf(shape))
  }
  if (sizes.size === 0) for (const { dtype } of inputs) count(dtype, 1)
  return [...sizes].sort(([, a], [, b]) => b - a)[0]?.[0]
}
