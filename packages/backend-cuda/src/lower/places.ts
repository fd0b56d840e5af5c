import type { Value } from '@lowlat/onnx'
import { rowMajorStrides, sizeBytesOf, type View } from '../program/view.ts'
import type { Facts } from './facts.ts'
import type { Unit } from './unit.ts'

/** Where results are wanted: in buffers of outputs, in their slice of a concatenation. */
export class Places {
  readonly #facts: Facts
  readonly #readers: ReadonlyMap<Value, readonly Unit[]>
  readonly #outputs = new Map<Value, View>()
  /** Results that were placed before their unit is lowered, because what they consist of is. */
  readonly #reserved = new Map<Value, View>()

  /** @param byHost outputs that the host gives; no kernel writes them. */
  constructor(facts: Facts, readers: ReadonlyMap<Value, readonly Unit[]>, byHost: ReadonlySet<Value>) {
    this.#facts = facts
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
   * @param make allocates the result of an operator that consists of its inputs, in the form that its first input wants.
   */
  *wantedFor(value: Value, make: (of: Value) => View): Generator<View> {
    const reserved = this.#reserved.get(value)
    if (reserved) yield reserved
    const output = this.#outputs.get(value)
    // What others read as well lies as they like it, and is copied.
    if (output && value.uses.length === 1) yield output
    for (const unit of this.#arrangers(value)) {
      const [result] = unit.outputs
      const [node] = unit.nodes
      const place = this.#reserved.get(result!) ?? this.#placeOf(result!, make, unit.rule!.gathers === true)
      if (!place || (value.uses.length > 1 && place.dtype !== this.#facts.storageOf(value))) continue
      const index = node!.inputs.indexOf(value)
      const own = unit.rule!.placeOf!(node!, index, place, this.#facts)
      if (own) yield own
    }
  }

  /**
   * Readers that only arrange elements, those with the largest results first: they may hold the smaller ones. Where a value
   * has other readers as well, the place of a mere view of it may not suit them.
   */
  #arrangers(value: Value): Unit[] {
    const units = (this.#readers.get(value) ?? []).filter(({ rule, outputs }) => {
      return rule?.placeOf && outputs.length === 1 && (rule.gathers || value.uses.length === 1)
    })
    const size = (unit: Unit) => sizeBytesOf('int8', this.#facts.shape(unit.outputs[0]!))
    return units.sort((a, b) => size(b) - size(a))
  }

  #placeOf(value: Value, make: (of: Value) => View, always: boolean): View | undefined {
    let place: View | undefined
    for (const one of this.wantedFor(value, make)) {
      place = one
      break
    }
    if (!place && always) place = make(value)
    if (place) this.#reserved.set(value, place)
    return place
  }
}
