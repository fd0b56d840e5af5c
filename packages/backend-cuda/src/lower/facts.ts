import { type DType, dtypes, isDType, type Precision, type Shape, sizeOf, type Tensor } from '@lowlat/core'
import type { Graph, InferenceReport, Initializer, Node, Value } from '@lowlat/onnx'
import type { DeviceFacts } from '../program/constants.ts'
import type { LowerOptions } from './options.ts'

/** A tensor type without anything open. */
interface ConcreteType {
  readonly dtype: DType
  readonly shape: Shape
}

/** Initializers of at most so many elements are known while a program is lowered: sizes, axes, scales. */
const maxKnownElements = 4096

/** Whether lowering reads the elements of an initializer: such ones stay in the graph when a plan is saved. */
export function staysInGraph({ shape }: Initializer): boolean {
  return sizeOf(shape) <= maxKnownElements
}

/** What is known of a graph for concrete shapes, before anything is emitted. */
export class Facts {
  readonly graph: Graph
  readonly opset: number
  readonly precision: Precision
  readonly device: DeviceFacts
  readonly tf32: boolean
  readonly #types: InferenceReport['types']
  readonly #constants: InferenceReport['constants']
  readonly #claimed = new Set<Node>()
  readonly #folded = new Set<Node>()

  constructor(graph: Graph, inferred: Pick<InferenceReport, 'types' | 'constants'>, options: LowerOptions) {
    this.graph = graph
    this.opset = graph.opset
    this.precision = options.precision
    this.device = options.device
    this.tf32 = options.tf32
    this.#types = inferred.types
    this.#constants = inferred.constants
  }

  /** Undefined where dtype or shape are open, and for strings. */
  typeIfKnown(value: Value): ConcreteType | undefined {
    const type = this.#types.get(value) ?? value
    const { elementType, shape } = type
    if (!isDType(elementType) || !shape?.every((dim) => typeof dim === 'number')) return undefined
    return { dtype: elementType, shape }
  }

  /** The dtype in the model and the shape. @throws Error for a value without a known type: rules see none. */
  type(value: Value): ConcreteType {
    const type = this.typeIfKnown(value)
    if (type) return type
    throw new Error(`the type of '${value.name}' is not known`)
  }

  shape(value: Value): Shape {
    return this.type(value).shape
  }

  dtype(value: Value): DType {
    return this.type(value).dtype
  }

  /** The dtype in which a value of the model is kept between kernels. */
  storageOf(value: Value): DType {
    return this.storageFor(this.dtype(value))
  }

  /** As {@link storageOf}, for a dtype of the model. */
  storageFor(dtype: DType): DType {
    if (dtype === 'float32' && (this.precision === 'fp16' || this.precision === 'int8')) return 'float16'
    if (dtype === 'float16' && this.precision === 'fp32') return 'float32'
    return dtype
  }

  /** The elements where they are few and do not depend on a run: small initializers, and what follows from shapes. */
  known(value: Value | undefined): Tensor | undefined {
    if (!value) return undefined
    const computed = this.#constants.get(value)
    if (computed || !value.initializer) return computed
    const { initializer } = value
    const readable = isDType(initializer.elementType) && !initializer.isExternal && staysInGraph(initializer)
    return readable ? initializer.tensor : undefined
  }

  /** As {@link known}, as numbers, for integers and floats up to 64 bits. */
  numbers(value: Value | undefined): readonly number[] | undefined {
    const tensor = this.known(value)
    if (!tensor) return undefined
    const { kind, bits } = dtypes[tensor.dtype]
    if (kind === 'complex' || bits < 8) return undefined
    if (kind === 'float' && bits < 32) return Array.from(tensor.toFloat32())
    return Array.from(tensor.data as ArrayLike<number | bigint>, Number)
  }

  /** A list of integers that became an input in some opset: the input where given, else the attribute; undefined for neither. */
  integers(node: Node, input: number, attribute: string): readonly number[] | undefined {
    if (node.inputs[input]) return this.numbers(node.inputs[input])
    return node.attributes.has(attribute) ? node.ints(attribute) : undefined
  }

  /** Whether it is a weight of any size, or known. */
  isConstant(value: Value): boolean {
    return value.initializer !== undefined || this.#constants.has(value)
  }

  /** Whether the only reader is one node that reads it once, so that the value need not exist. */
  isPrivate(value: Value): boolean {
    return value.uses.length === 1 && value.uses[0]!.kind === 'node'
  }

  /** The only node that reads a value, once; undefined where it has other readers or is an output of the graph. */
  soleReader(value: Value): Node | undefined {
    const [use, other] = value.uses
    return use?.kind === 'node' && !other ? use.node : undefined
  }

  isOutput(value: Value): boolean {
    return value.uses.some((use) => use.kind === 'output')
  }

  /** Whether a node is out of reach for fusions: in another group, on the host, inside control flow, or folded. */
  isClaimed(node: Node): boolean {
    return this.#claimed.has(node)
  }

  /** Whether nothing is left to compute, because all outputs are known. */
  isFolded(node: Node): boolean {
    return this.#folded.has(node)
  }

  /** For partitioning. */
  claim(node: Node): void {
    this.#claimed.add(node)
  }

  /** For partitioning. */
  fold(node: Node): void {
    this.#folded.add(node)
    this.#claimed.add(node)
  }
}
