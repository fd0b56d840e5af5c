import {
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  numbersOf,
  type TensorProto,
} from '@lowlat/onnx'

/** What a processor computes integer convolutions with. */
export interface IntegerUnits {
  /** x86-64: ONNX Runtime has a direct kernel for groups of four channels. */
  readonly fours: boolean
  /** Intel's matrix tiles, which ONNX Runtime's matrix product uses and its direct kernel does not. */
  readonly tiles: boolean
}

/** @param flags the processor's instruction sets, as Linux lists them. */
export function integerUnitsOf(arch: string, flags: string): IntegerUnits {
  const fours = arch === 'x64'
  return { fours, tiles: fours && /\bamx_int8\b/.test(flags) }
}

const INT8 = 3 // TensorProto.DataType
const UINT8 = 2
const INT64 = 7
/** Products per sum from which on tiles win: measured on ResNet-50 and MobileNetV2, where 256 to 768 are nearly equal. */
const DEEP = 512
/** Channels of a picture. */
const PICTURE = 3
/** Output channels that the direct kernel takes: a multiple, and at least twice as many. */
const OUTPUTS = 8
/** The first version of Pad that takes its sizes as an input. */
const PAD_OPSET = 11

/**
 * Rewrites convolutions of an optimised model such that ONNX Runtime takes the kernel that is fastest here. Its direct
 * kernel (core/mlas/lib/convsym.cpp) wants weights with zero point 0 and groups of four input channels:
 * - deep sums go to the matrix product where it has tiles: weights and their zero point move by -1;
 * - a picture gets a fourth channel, which is zero as are its weights, where the matrix product has none.
 *
 * Both are exact: the same integers come out.
 */
export function tuneIntegerConvolutions(model: ModelProto, { fours, tiles }: IntegerUnits): ModelProto {
  const { graph } = model
  if (!fours || !graph?.node?.some(({ opType }) => opType === 'QLinearConv')) return model
  const tuning = new Tuning(graph)
  const node = graph.node.map((each) => (tiles ? tuning.forTiles(each) : each))
  const opset = Number(model.opsetImport?.find(({ domain = '' }) => domain === '')?.version ?? 0)
  return { ...model, graph: tuning.apply(opset < PAD_OPSET ? node : tuning.forFours(node)) }
}

interface Convolution {
  readonly weight: TensorProto
  readonly rawData: Uint8Array
  /** [M, C, ...kernel] */
  readonly shape: readonly number[]
  readonly zeroPoint: TensorProto
}

class Tuning {
  readonly #graph: GraphProto
  readonly #constants: ReadonlyMap<string, TensorProto>
  readonly #added: TensorProto[] = []
  readonly #names: Set<string>

  constructor(graph: GraphProto) {
    this.#graph = graph
    this.#constants = new Map(graph.initializer?.map((tensor) => [tensor.name ?? '', tensor]))
    this.#names = new Set(definedIn(graph))
  }

  /** The graph with these nodes, without the weights that they replaced. */
  apply(node: readonly NodeProto[]): GraphProto {
    const before = this.#graph.node ?? []
    const read = new Set([...node.flatMap(readBy), ...this.#outputs])
    const replaced = new Set(before.flatMap(readBy).filter((name) => !read.has(name)))
    const kept = (this.#graph.initializer ?? []).filter(({ name = '' }) => !replaced.has(name))
    return { ...this.#graph, node: [...node], initializer: [...kept, ...this.#added] }
  }

  get #outputs(): string[] {
    return (this.#graph.output ?? []).map(({ name = '' }) => name)
  }

  forTiles(node: NodeProto): NodeProto {
    const found = this.#symmetric(node)
    if (!found) return node
    const { weight, rawData, shape, zeroPoint } = found
    const signed = Int8Array.from(new Int8Array(rawData.buffer, rawData.byteOffset, rawData.byteLength))
    const depth = shape.slice(1).reduce((a, b) => a * b, 1)
    if (depth < DEEP || signed.includes(-128)) return node
    const moved = signed.map((value) => value - 1)
    return withInputs(node, {
      3: this.#add({ ...weight, rawData: new Uint8Array(moved.buffer) }),
      5: this.#add({ ...zeroPoint, rawData: new Uint8Array(sizeOf(zeroPoint)).fill(-1) }),
    })
  }

  forFours(nodes: readonly NodeProto[]): NodeProto[] {
    const readers = new Map<string, number>()
    for (const name of [...nodes.flatMap(readBy), ...this.#outputs]) readers.set(name, (readers.get(name) ?? 0) + 1)
    const producers = new Map(nodes.flatMap((node) => (node.output ?? []).map((name) => [name, node] as const)))
    const changed = new Map<NodeProto, readonly NodeProto[]>()
    for (const node of nodes) {
      // [N, 3, H, W] -> [N, H, W, 3], which the optimiser puts in front of the first convolution.
      const transpose = producers.get(node.input?.[0] ?? '')
      if (transpose?.opType !== 'Transpose' || readers.get(node.input![0]!) !== 1) continue
      if (intsOf(transpose, 'perm').join() !== '0,2,3,1' || intOf(node, 'channels_last', 0) !== 1) continue
      const weight = this.#widened(node)
      if (weight === undefined) continue
      const padded = this.#unique(`${transpose.input![0]}.four`)
      changed.set(transpose, [
        this.#pad(transpose.input![0]!, node.input![2]!, padded),
        withInputs(transpose, { 0: padded }),
      ])
      changed.set(node, [withInputs(node, { 3: weight })])
    }
    return nodes.flatMap((node) => changed.get(node) ?? node)
  }

  /** A convolution of a picture with a fourth channel of zeros in its weights; undefined for others. */
  #widened(node: NodeProto): string | undefined {
    const found = this.#symmetric(node)
    if (!found) return undefined
    const { weight, rawData, shape } = found
    const [outputs = 0, channels = 0, ...kernel] = shape
    const inner = kernel.reduce((a, b) => a * b, 1)
    if (channels !== PICTURE || kernel.length !== 2 || channels * inner >= DEEP) return undefined
    if (outputs % OUTPUTS !== 0 || outputs < 2 * OUTPUTS) return undefined
    const wide = new Uint8Array(outputs * (channels + 1) * inner)
    for (let m = 0; m < outputs; m++) {
      wide.set(rawData.subarray(m * channels * inner, (m + 1) * channels * inner), m * (channels + 1) * inner)
    }
    const dims = [outputs, channels + 1, ...kernel].map(BigInt)
    return this.#add({ ...weight, dims, rawData: wide })
  }

  /** [N, 3, H, W] -> [N, 4, H, W] */
  #pad(input: string, zeroPoint: string, output: string): NodeProto {
    const sizes = BigInt64Array.from([0n, 0n, 0n, 0n, 0n, 1n, 0n, 0n])
    const pads = this.#add({ name: 'pads', dataType: INT64, dims: [8n], rawData: new Uint8Array(sizes.buffer) })
    const name = output
    return { opType: 'Pad', name, input: [input, pads, zeroPoint], output: [output], attribute: [] }
  }

  /** One that has no groups, unsigned activations, and constant int8 weights with zero point 0. */
  #symmetric(node: NodeProto): Convolution | undefined {
    if (node.opType !== 'QLinearConv' || intOf(node, 'group', 1) !== 1) return undefined
    const at = (index: number) => this.#constants.get(node.input?.[index] ?? '')
    const [weight, activation, zeroPoint] = [at(3), at(2), at(5)]
    if (weight?.dataType !== INT8 || weight.rawData === undefined || activation?.dataType !== UINT8) return undefined
    if (zeroPoint?.dataType !== INT8 || !isZero(zeroPoint)) return undefined
    return { weight, rawData: weight.rawData, shape: numbersOf(weight.dims ?? []).map(Number), zeroPoint }
  }

  #add(tensor: TensorProto): string {
    const name = this.#unique(`${tensor.name}.tuned`)
    this.#added.push({ ...tensor, name })
    return name
  }

  #unique(base: string): string {
    let name = base
    for (let i = 1; this.#names.has(name); i++) name = `${base}_${i}`
    this.#names.add(name)
    return name
  }
}

const bodiesOf = ({ attribute = [] }: NodeProto): GraphProto[] =>
  attribute.flatMap(({ g, graphs = [] }) => (g ? [g, ...graphs] : graphs))

/** Every name that a node reads, or its branches and loop bodies do: also those of values around them. */
function readBy(node: NodeProto): string[] {
  const inner = bodiesOf(node).flatMap((body) => [
    ...(body.node ?? []).flatMap(readBy),
    ...(body.output ?? []).map(({ name = '' }) => name),
  ])
  return [...(node.input ?? []), ...inner]
}

/** Every name of a graph and of the bodies in it, which share one space of names. */
function definedIn({ initializer = [], input = [], node = [] }: GraphProto): string[] {
  const values = [...initializer, ...input].map(({ name = '' }) => name)
  return [...values, ...node.flatMap((each) => [...(each.output ?? []), ...bodiesOf(each).flatMap(definedIn)])]
}

function withInputs(node: NodeProto, changes: Readonly<Record<number, string>>): NodeProto {
  return { ...node, input: (node.input ?? []).map((name, index) => changes[index] ?? name) }
}

const attributeOf = (node: NodeProto, name: string): AttributeProto | undefined =>
  node.attribute?.find((attribute) => attribute.name === name)
const intOf = (node: NodeProto, name: string, absent: number) => Number(attributeOf(node, name)?.i ?? absent)
const intsOf = (node: NodeProto, name: string) => numbersOf(attributeOf(node, name)?.ints ?? []).map(Number)

const sizeOf = ({ dims = [] }: TensorProto) => numbersOf(dims).reduce<number>((size, dim) => size * Number(dim), 1)

function isZero({ rawData, int32Data = [] }: TensorProto): boolean {
  return rawData ? rawData.every((value) => value === 0) : numbersOf(int32Data).every((value) => value === 0)
}
