import { ModelError, type Shape, Tensor } from '@lowlat/core'
import type { Graph, Node, NodeSpec, Value } from '@lowlat/onnx'

/** Changes one node from what an older operator set says to what opset 13 says, in place. */
export class NodeRewriter {
  readonly #graph: Graph
  readonly #node: Node

  constructor(graph: Graph, node: Node) {
    this.#graph = graph
    this.#node = node
  }

  /** An int or a list of ints, where it is there, becomes an input: int64 [n]. */
  intsToInput(name: string, index: number): void {
    const attribute = this.#node.attributes.get(name)
    if (!attribute) return
    // As they stand: rounded to a double, "to the end" (2^63 - 1) would no longer fit int64.
    const values = attribute.type === 'ints' ? attribute.value : [BigInt(this.#node.int(name))]
    this.#toInput(name, index, this.#ints(name, values))
  }

  /** A scalar of the type of input 0. */
  floatToInput(name: string, index: number): void {
    if (this.#node.attributes.has(name)) this.#toInput(name, index, this.#floats(name, [], [this.#node.float(name)]))
  }

  rename(opType: string): void {
    this.#node.opType = opType
  }

  /** An attribute that was removed and had one meaning only since. */
  dropAttribute(name: string, meaning: number): void {
    if (this.#node.int(name, meaning) !== meaning) throw this.unsupported(`${name} = ${this.#node.int(name)}`)
    this.#node.removeAttribute(name)
  }

  /**
   * Softmax and its like worked on a matrix of everything before `axis` (default 1) and everything from there on. The same
   * as today's along the last axis; otherwise the input is made that matrix, and the result gets its shape back.
   */
  overMatrix(): void {
    const node = this.#node
    const [input] = node.inputs
    const axis = node.int('axis', 1)
    const rank = input?.shape?.length
    node.setAttribute('axis', { type: 'int', value: -1n })
    if (axis === -1 || axis + 1 === rank) return
    const shape = this.#add({ opType: 'Shape', inputs: [input] })
    node.setInput(0, this.#add({ opType: 'Flatten', inputs: [input], attributes: { axis } }))
    const output = node.outputs[0]!
    const reshape = this.#graph.addNode({ opType: 'Reshape', inputs: [output, shape] }, { after: node })
    this.#graph.replaceUses(output, reshape.outputs[0]!, reshape)
    // What was declared is the shape of the result, not of the matrix.
    output.shape = undefined
  }

  /** Upsample, and Resize before it could be told how coordinates map: [X, scales] -> [X, roi, scales]. */
  toResize(): void {
    const node = this.#node
    const [input, scales] = node.inputs
    const given = node.attributes.has('scales') ? node.floats('scales') : undefined
    node.removeAttribute('scales')
    node.setInputs([input, undefined, given ? this.#floats('scales', [given.length], given, 'float32') : scales])
    node.opType = 'Resize'
    node.setAttribute('coordinate_transformation_mode', { type: 'string', value: 'asymmetric' })
    node.setAttribute('nearest_mode', { type: 'string', value: 'floor' })
  }

  unsupported(what: string): ModelError {
    const { opType, name } = this.#node
    return new ModelError('MODEL_UNSUPPORTED', {
      message: `Expected a ${opType} node that opset 13 knows, but '${name}' has ${what}, which it does not.`,
      remedy: 'Export the model again with opset 13 or later.',
      details: { opType, node: name },
    })
  }

  #toInput(name: string, index: number, value: Value): void {
    this.#node.removeAttribute(name)
    this.#node.setInput(index, value)
  }

  #ints(name: string, values: readonly bigint[]): Value {
    return this.#constant(name, new Tensor('int64', [values.length], BigInt64Array.from(values)))
  }

  #floats(name: string, shape: Shape, values: readonly number[], type = this.#node.inputs[0]?.elementType): Value {
    if (type === 'float16') return this.#constant(name, Tensor.float16(shape, values))
    if (type === 'float64') return this.#constant(name, new Tensor('float64', shape, Float64Array.from(values)))
    return this.#constant(name, new Tensor('float32', shape, Float32Array.from(values)))
  }

  #constant(name: string, tensor: Tensor): Value {
    return this.#graph.addInitializer(this.#graph.uniqueName(`${this.#node.outputs[0]!.name}.${name}`), tensor)
  }

  #add(spec: NodeSpec): Value {
    return this.#graph.addNode(spec, { before: this.#node }).outputs[0]!
  }
}
