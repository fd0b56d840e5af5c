import type { Graph, Node, Value } from '@lowlat/onnx'
import type { WeightedLayer } from '../graph/weighted-layer.ts'
import type { ActivationSite, Reader, Sites, WeightSite } from '../sites.ts'

/** Gathers sites node by node, and lists them in the order of the graph. */
export class SiteBuilder {
  readonly #graph: Graph
  readonly #readers = new Map<Value, Map<string, Reader>>()
  readonly #weights: WeightSite[] = []
  /** Each value's neighbour on the way to the one that names its group. */
  readonly #leaders = new Map<Value, Value>()

  constructor(graph: Graph) {
    this.#graph = graph
  }

  /** One input of a node reads the quantized value. */
  read(node: Node, index: number): void {
    const value = node.inputs[index]!
    const readers = this.#readers.get(value) ?? new Map<string, Reader>()
    readers.set(`${index} ${node.name}`, { node: node.name, index })
    this.#readers.set(value, readers)
  }

  /** Everything that reads the value reads it quantized. */
  readAll(value: Value): void {
    for (const use of value.uses) if (use.kind === 'node') this.read(use.node, use.index)
  }

  weight({ node, input, weight, axis, bias }: WeightedLayer): void {
    const site = { node: node.name, index: 1, value: weight.name, axis, input: input.name }
    this.#weights.push(bias?.initializer ? { ...site, bias: { index: 2, value: bias.name } } : site)
  }

  /** Both values share scale and zero point. */
  join(a: Value, b: Value): void {
    this.#leaders.set(this.#leader(b), this.#leader(a))
  }

  get sites(): Sites {
    const activations: ActivationSite[] = []
    for (const value of this.#graph.values()) {
      const readers = this.#readers.get(value)
      if (readers)
        activations.push({ value: value.name, readers: [...readers.values()], group: this.#leader(value).name })
    }
    return { activations, weights: this.#weights }
  }

  #leader(value: Value): Value {
    let leader = value
    for (let next = this.#leaders.get(leader); next && next !== leader; next = this.#leaders.get(leader)) leader = next
    return leader
  }
}
