import { type DType, type Shape, sizeOf } from '@lowlat/core'
import type { Value } from '@lowlat/onnx'
import { rowMajorStrides, sizeBytesOf, type View } from '../program/view.ts'
import type { Facts } from './facts.ts'
import { axisOrder, denseView, hasLayout, type Layout } from './layout.ts'
import type { Unit } from './unit.ts'

/** Where results are wanted: in buffers of outputs, in their slice of a concatenation. */
export class Places {
  readonly #facts: Facts
  readonly #make: (dtype: DType, shape: Shape, layout: Layout) => View
  readonly #readers: ReadonlyMap<Value, readonly Unit[]>
  readonly #outputs = new Map<Value, View>()
  /** Results that were placed before their unit is lowered, because what they consist of is. */
  readonly #reserved = new Map<Value, View>()

  /**
   * @param byHost outputs that the host gives; no kernel writes them.
   * @param make allocates a temporary.
   */
  constructor(
    facts: Facts,
    readers: ReadonlyMap<Value, readonly Unit[]>,
    byHost: ReadonlySet<Value>,
    make: (dtype: DType, shape: Shape, layout: Layout) => View,
  ) {
    this.#facts = facts
    this.#make = make
    this.#readers = readers
    for (const value of facts.graph.outputs) {
      if (byHost.has(value)) continue
      const { dtype, shape } = facts.type(value)
      const buffer = { kind: 'output', name: value.name, sizeBytes: sizeBytesOf(dtype, shape) } as const
      this.#outputs.set(value, { buffer, dtype, shape, strides: rowMajorStrides(shape), offset: 0 })
    }
  }

  /** The buffer of an output of the model, row-major in the model's dtype. */
  outputView(value: Value): View | undefined {
    return this.#outputs.get(value)
  }

  /**
   * Places where the value would save a copy, best first.
   * @param like how it would lie in a buffer of its own: results that consist of several inputs get memory of this form.
   */
  *wantedFor(value: Value, like: View): Generator<View> {
    const reserved = this.#reserved.get(value)
    if (reserved) yield reserved
    const output = this.#outputs.get(value)
    const fits = output?.dtype === like.dtype && hasLayout(output, axisOrder(like))
    // What others read as well lies as they like it, and is copied.
    if (output && (value.uses.length === 1 || fits)) yield output
    for (const unit of this.#arrangers(value)) {
      const [node] = unit.nodes
      const { arrangement } = unit.rule!
      const place = this.#placeOf(unit, like)
      // Others would read what is cast for the place.
      if (!place || (value.uses.length > 1 && place.dtype !== like.dtype)) continue
      const own = arrangement!.inputIn(node!, node!.inputs.indexOf(value), place, this.#facts)
      if (own) yield own
    }
  }

  /**
   * Readers that only arrange elements, those with the largest results first: they may hold the smaller ones. Where a value
   * has other readers as well, the place of a mere view of it may not suit them.
   */
  #arrangers(value: Value): Unit[] {
    const units = (this.#readers.get(value) ?? []).filter(({ rule, outputs }) => {
      if (!rule?.arrangement || outputs.length !== 1) return false
      return !rule.arrangement.outputOf || value.uses.length === 1
    })
    const size = (unit: Unit) => sizeOf(this.#facts.shape(unit.outputs[0]!))
    return units.sort((a, b) => size(b) - size(a))
  }

  /** Where the result of a unit that arranges elements goes; what consists of several inputs gets memory now. */
  #placeOf({ outputs, nodes, rule }: Unit, like: View): View | undefined {
    const [result] = outputs
    const reserved = this.#reserved.get(result!)
    if (reserved) return reserved
    const { outputOf } = rule!.arrangement!
    const shape = this.#facts.shape(result!)
    const form = outputOf ? outputOf(nodes[0]!, like, this.#facts) : denseView(like.dtype, shape, axisOrder(like))
    if (!form) return undefined
    const { value: wanted } = this.wantedFor(result!, form).next()
    const place = wanted ?? (outputOf ? undefined : this.#make(like.dtype, shape, axisOrder(like)))
    if (place) this.#reserved.set(result!, place)
    return place
  }
}
