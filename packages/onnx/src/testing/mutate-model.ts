import { createRandom } from '../build/random.ts'
import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  TensorProto,
  ValueInfoProto,
} from '../codec/messages.ts'
import { decodeModel, encodeModel } from '../codec/model.ts'
import { numbersOf } from '../codec/packed-list.ts'

const integers = [-(2n ** 63n), -(2n ** 31n), -2n, -1n, 0n, 1n, 2n, 3n, 5n, 64n, 2n ** 20n, 2n ** 31n, 2n ** 62n]
const operators =
  'Identity Cast Reshape Transpose Squeeze Unsqueeze Flatten Slice Pad Concat Resize Expand Tile Gather Shape Size ' +
  'ConstantOfShape Range Constant Conv ConvTranspose Gemm MatMul Add Mul Div Pow BatchNormalization QuantizeLinear ' +
  'DequantizeLinear Dropout Where Split TopK ReduceSum CumSum Einsum If Loop Custom'

/**
 * The bytes of a model with one to four of its facts changed to others of the same kind: operators, wires, attributes,
 * sizes, types, elements, versions. Unlike damage to bytes most of these can still be read, and contradict themselves.
 */
export function mutateModel(bytes: Uint8Array, seed: number): Uint8Array {
  const random = createRandom(seed)
  const pick = <T>(list: readonly T[]): T => list[random.integer(list.length)]!
  let model = decodeModel(bytes)
  for (let count = 1 + random.integer(4); count > 0; count--) model = mutateOnce(model, pick, random.integer)
  return encodeModel(model)
}

type Pick = <T>(list: readonly T[]) => T

function mutateOnce(model: ModelProto, pick: Pick, below: (limit: number) => number): ModelProto {
  const graph = model.graph ?? {}
  const withGraph = (part: Partial<GraphProto>): ModelProto => ({ ...model, graph: { ...graph, ...part } })
  const node = (change: (node: NodeProto) => NodeProto) => withGraph({ node: changeOne(graph.node, below, change) })
  const tensor = (change: (tensor: TensorProto) => TensorProto) =>
    withGraph({ initializer: changeOne(graph.initializer, below, change) })
  const attribute = (change: (attribute: AttributeProto) => AttributeProto) =>
    node((each) => ({ ...each, attribute: changeOne(each.attribute, below, change) }))
  const names = [...namesOf(graph), '']
  const edits: readonly (() => ModelProto)[] = [
    () => node((each) => ({ ...each, opType: pick(operators.split(' ')) })),
    () => node((each) => ({ ...each, input: changeOne(each.input, below, () => pick(names)) })),
    () => node((each) => ({ ...each, input: [...(each.input ?? []), pick(names)] })),
    () => node((each) => ({ ...each, input: each.input?.slice(0, -1) ?? [] })),
    () => attribute((each) => ({ ...each, type: 1 + below(14) })),
    () => attribute((each) => ({ ...each, i: pick(integers) })),
    () => attribute((each) => ({ ...each, ints: changeOne(numbersOf(each.ints), below, () => pick(integers)) })),
    () => attribute((each) => ({ ...each, name: pick(['axis', 'axes', 'perm', 'to', 'pads', 'value', 'group']) })),
    () => tensor((each) => ({ ...each, dims: changeOne(numbersOf(each.dims), below, () => pick(integers)) })),
    () => tensor((each) => ({ ...each, dims: [...numbersOf(each.dims), 1n] })),
    () => tensor((each) => ({ ...each, dataType: below(27) })),
    () =>
      tensor((each) => ({ ...each, rawData: each.rawData?.map(() => pick([0, 1, 127, 255])) ?? new Uint8Array(8) })),
    () => withGraph({ output: changeOne(graph.output, below, (each) => ({ ...each, name: pick(names) })) }),
    () => withGraph({ input: changeOne(graph.input, below, (each) => retype(each, below(17), pick(integers))) }),
    () => ({ ...model, irVersion: BigInt(below(12)), opsetImport: [{ version: BigInt(below(25)) }] }),
  ]
  return pick(edits)()
}

function changeOne<T>(list: readonly T[] | undefined, below: (limit: number) => number, change: (one: T) => T): T[] {
  if (!list || list.length === 0) return []
  const at = below(list.length)
  return list.map((one, index) => (index === at ? change(one) : one))
}

function namesOf(graph: GraphProto): string[] {
  const values = [...(graph.input ?? []), ...(graph.initializer ?? [])].map(({ name }) => name ?? '')
  return [...values, ...(graph.node ?? []).flatMap((node) => node.output ?? [])]
}

function retype(info: ValueInfoProto, elemType: number, dimValue: bigint): ValueInfoProto {
  const dims = info.type?.tensorType?.shape?.dim ?? []
  return { ...info, type: { tensorType: { elemType, shape: { dim: [{ dimValue }, ...dims.slice(1)] } } } }
}
