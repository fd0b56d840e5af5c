import { type Dim, type DType, type DTypeArray, dtypes, type Shape, sizeOf, Tensor } from '@lowlat/core'
import type { AttributeInput } from '../graph/attribute-input.ts'
import { Graph } from '../graph/graph.ts'
import type { ModelInfo } from '../graph/model-info.ts'
import type { Value } from '../graph/value.ts'
import type { ElementType } from '../graph/value-type.ts'
import { createRandom, type Random } from './random.ts'

export interface GraphBuilderOptions {
  /** Seed of the weights; default 1. */
  readonly seed?: number
  /** Version of ONNX's operator set; default 17. */
  readonly opset?: number
  /** Default 8, which goes with opset 17. */
  readonly irVersion?: number
  readonly metadata?: Readonly<Record<string, string>>
}

/**
 * Builds a graph operator by operator. Names come from nested scopes: inside `scope('layer1', ...)` a node is called
 * 'layer1.Relu', a weight 'layer1.weight'.
 */
export class GraphBuilder {
  readonly graph: Graph
  /** Where weights come from: drawn in the order of the calls. */
  readonly random: Random
  readonly #scopes: string[] = []

  constructor(name: string, options: GraphBuilderOptions = {}) {
    const { seed = 1, opset = 17, irVersion = 8, metadata = {} } = options
    const model: ModelInfo = {
      irVersion,
      opsetImports: new Map([['', opset]]),
      producerName: 'lowlat',
      producerVersion: '',
      metadata: new Map(Object.entries(metadata)),
      functions: [],
      source: {},
    }
    this.graph = new Graph(name, model)
    this.random = createRandom(seed)
  }

  /** Axes with a name are sizes that only a run knows; equal names are equal sizes. */
  input(name: string, elementType: ElementType, shape: readonly Dim[]): Value {
    return this.graph.addInput(name, elementType, shape)
  }

  /** Makes the value an output of the graph under this name. */
  output(name: string, value: Value, elementType: ElementType, shape: readonly Dim[]): this {
    this.graph.rename(value, name)
    this.graph.addOutput(value, { elementType, shape })
    return this
  }

  /** Adds a node with one output, which has the node's name. */
  op(opType: string, inputs: readonly (Value | undefined)[], attributes?: Record<string, AttributeInput>): Value {
    const name = this.graph.uniqueName(this.#path(opType))
    const node = this.graph.addNode({
      opType,
      name,
      inputs,
      outputs: [name],
      ...(attributes && { attributes }),
    })
    return node.outputs[0]!
  }

  /** A constant under the current scope; equal names get a number. Keeps the tensor's memory. */
  constant(name: string, tensor: Tensor): Value {
    return this.graph.addInitializer(this.graph.uniqueName(this.#path(name)), tensor)
  }

  /** Sizes, axes and indices, which ONNX wants as int64. */
  int64(name: string, values: readonly number[], shape: Shape = [values.length]): Value {
    return this.constant(name, new Tensor('int64', shape, BigInt64Array.from(values, BigInt)))
  }

  scalar<D extends DType>(name: string, dtype: D, value: number): Value {
    const data = new dtypes[dtype].array(1) as DTypeArray<D>
    data[0] = value
    return this.constant(name, new Tensor(dtype, [], data))
  }

  /** Float32 weights from the seeded normal distribution. */
  weights(name: string, shape: Shape, standardDeviation: number): Value {
    return this.constant(name, new Tensor('float32', shape, this.normals(sizeOf(shape), standardDeviation)))
  }

  normals(count: number, standardDeviation: number): Float32Array {
    return this.random.normals(new Float32Array(count), standardDeviation)
  }

  /** Runs `body` with `name` before the names of whatever it adds. */
  scope<T>(name: string, body: () => T): T {
    this.#scopes.push(name)
    try {
      return body()
    } finally {
      this.#scopes.pop()
    }
  }

  #path(name: string): string {
    return [...this.#scopes, name].join('.')
  }
}

/**
 * Standard deviation that keeps the scale of activations from layer to layer: sqrt(gain / fanIn), gain 2 after a
 * rectifier, which halves the mean square (He et al. 2015), and 1 otherwise. `fanIn` counts the inputs of one output.
 */
export function heDeviation(fanIn: number, gain: 1 | 2 = 2): number {
  return Math.sqrt(gain / fanIn)
}
