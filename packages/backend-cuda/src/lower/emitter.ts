import { createHash } from 'node:crypto'
import { type DType, type Shape, sizeOf, type Tensor } from '@lowlat/core'
import type { Value } from '@lowlat/onnx'
import { copy } from '../kernels/copy.ts'
import type { ConstantStore } from '../program/constants.ts'
import type { Launch } from '../program/launch.ts'
import type { Step } from '../program/program.ts'
import { type DeviceBuffer, rowMajorStrides, sizeBytesOf, type View } from '../program/view.ts'
import { bytesAs } from './constant-bytes.ts'
import type { Facts } from './facts.ts'
import { axisOrder, denseView, hasLayout, type Layout, pixelPitch, stridesFor } from './layout.ts'
import type { Destination, Form, Lowering, StepNotes } from './lowering.ts'
import { Places } from './places.ts'
import type { Unit } from './unit.ts'
import { sameView, transposeView } from './views.ts'

const maxTableBytes = 1 << 16

/** Collects the steps of a program while units are lowered one after the other. */
export class Emitter implements Lowering {
  readonly facts: Facts
  readonly steps: Step[] = []
  readonly #constants: ConstantStore
  readonly #places: Places
  readonly #views = new Map<Value, View>()
  readonly #copies = new Map<DeviceBuffer, { from: View; form: string; to: View }[]>()
  #unit: Unit | undefined
  #temporaries = 0

  /**
   * @param readers of every value.
   * @param byHost what the host computes.
   */
  constructor(
    facts: Facts,
    constants: ConstantStore,
    readers: ReadonlyMap<Value, readonly Unit[]>,
    byHost: ReadonlySet<Value>,
  ) {
    this.facts = facts
    this.#constants = constants
    this.#places = new Places(facts, readers, byHost, (...form) => this.temporary(...form))
  }

  /** Lowers one unit of the device. */
  lower(unit: Unit): void {
    this.#unit = unit
    const outputs = unit.outputs.filter((output) => output.uses.length > 0)
    if (outputs.every((output) => sizeOf(this.facts.shape(output)) === 0)) {
      for (const output of outputs) this.define(output, this.destinationFor(output))
    } else unit.lower!(this)
    const missing = outputs.find((output) => !this.#views.has(output))
    if (missing) throw new Error(`${unit.operator} did not define '${missing.name}'`)
    this.#unit = undefined
  }

  /** The buffer of an output of the model; undefined where the host gives it. */
  outputView(value: Value): View | undefined {
    return this.#places.outputView(value)
  }

  /** Whether a value lies on the device already. */
  isDefined(value: Value): boolean {
    return this.#views.has(value)
  }

  viewOf(value: Value, form?: Form): View {
    const view = this.#views.get(value)
    if (view) return form ? this.inForm(view, form) : view
    if (!this.facts.isConstant(value)) throw new Error(`'${value.name}' is read before it is computed`)
    return this.#constantIn(value, form)
  }

  /** Constants are brought into any form once, while a plan is made. */
  #constantIn(value: Value, { dtype = this.facts.storageOf(value), layout = 'row-major' }: Form = {}): View {
    const { shape } = this.facts.type(value)
    const plain = denseView(dtype, shape, layout)
    const order = axisOrder(plain)
    const dense = transposeView(plain, order)
    const packing = hasLayout(plain, 'row-major') ? 'plain' : `axes ${order}`
    const packed = this.pack(value, packing, dtype, dense.shape, (tensor) => bytesAs(tensor, dtype, order))
    return transposeView(
      packed,
      order.map((_, axis) => order.indexOf(axis)),
    )
  }

  inForm(view: View, { dtype = view.dtype, layout }: Form): View {
    if (view.dtype === dtype && (!layout || hasLayout(view, layout))) return view
    return this.#copyOf(view, dtype, layout ?? 'row-major')
  }

  contiguous(view: View, dtype: DType = view.dtype): View {
    return this.inForm(view, { dtype, layout: 'row-major' })
  }

  channelsLast(view: View, options: { dtype?: DType; accepts?: (view: View) => boolean } = {}): View {
    const { dtype = view.dtype, accepts = () => true } = options
    if (view.dtype === dtype && pixelPitch(view) !== undefined && accepts(view)) return view
    return this.#copyOf(view, dtype, 'channels-last')
  }

  #copyOf(view: View, dtype: DType, layout: Layout): View {
    const form = `${dtype} ${layout}`
    let copies = this.#copies.get(view.buffer)
    if (!copies) {
      copies = []
      this.#copies.set(view.buffer, copies)
    }
    const known = copies.find((one) => one.form === form && sameView(one.from, view))
    if (known) return known.to
    const to = this.temporary(dtype, view.shape, layout)
    this.copy(view, to, 'Copy')
    copies.push({ from: view, form, to })
    return to
  }

  copy(from: View, to: View, operator = this.#unit?.operator ?? 'Copy'): void {
    if (sizeOf(to.shape) === 0) return
    const precision = from.dtype === to.dtype ? from.dtype : `${from.dtype} to ${to.dtype}`
    this.emit(copy(from, to), { operator, precision })
  }

  temporary(dtype: DType, shape: Shape, layout: Layout = 'row-major'): View {
    const name = `${this.#unit?.outputs[0]?.name ?? 'value'}#${this.#temporaries++}`
    const buffer: DeviceBuffer = { kind: 'temporary', name, sizeBytes: sizeBytesOf(dtype, shape) }
    return { buffer, dtype, shape, strides: stridesFor(shape, layout), offset: 0 }
  }

  destinationFor(value: Value, destination: Destination = {}): View {
    const dtype = destination.dtype ?? this.facts.storageOf(value)
    const layout = destination.layout ?? 'row-major'
    const shape = this.facts.shape(value)
    const fits = (view: View) => view.dtype === dtype && hasLayout(view, layout)
    const accepts = destination.accepts ?? fits
    const like = denseView(dtype, shape, layout)
    for (const place of this.#places.wantedFor(value, like)) if (accepts(place)) return place
    return this.temporary(dtype, shape, layout)
  }

  define(value: Value, view: View): void {
    const shape = this.facts.shape(value)
    if (view.shape.length !== shape.length || view.shape.some((size, axis) => size !== shape[axis])) {
      throw new Error(`'${value.name}' is [${shape}], but its view is [${view.shape}]`)
    }
    if (this.#views.has(value)) throw new Error(`'${value.name}' is defined twice`)
    this.#views.set(value, view)
    const output = this.#places.outputView(value)
    if (output && !sameView(output, view)) this.copy(view, output, 'Copy')
  }

  pack(value: Value, packing: string, dtype: DType, shape: Shape, make: (tensor: Tensor) => Uint8Array): View {
    return this.packAll([value], packing, dtype, shape, ([tensor]) => make(tensor!))
  }

  packAll(
    values: readonly (Value | undefined)[],
    packing: string,
    dtype: DType,
    shape: Shape,
    make: (tensors: readonly (Tensor | undefined)[]) => Uint8Array,
  ): View {
    const names = values.map((value) => (value ? this.#nameOf(value) : '')).join('+')
    return this.#constants.get(`${names}/${packing}/${dtype}[${shape}]`, dtype, shape, () =>
      make(values.map((value) => value && (value.initializer?.tensor ?? this.facts.known(value)))),
    )
  }

  /** What follows from shapes has a name for each shape, which is its content. */
  #nameOf(value: Value): string {
    if (value.initializer) return value.name
    const known = this.facts.known(value)
    if (!known) throw new Error(`'${value.name}' is not constant`)
    return `table/${digestOf(known.bytes)}`
  }

  table(dtype: DType, shape: Shape, bytes: Uint8Array): View {
    if (bytes.length > maxTableBytes)
      throw new Error(`expected a table of at most ${maxTableBytes} bytes, got ${bytes.length}`)
    return this.#constants.get(`table/${dtype}[${shape}]/${digestOf(bytes)}`, dtype, shape, () => bytes)
  }

  emit(launch: Launch, notes: StepNotes = {}): void {
    const unit = this.#unit
    const { operator = unit?.operator ?? 'Copy', precision = this.#precision(launch) } = notes
    const nodes = unit?.nodes.map(({ name, opType }) => name || opType) ?? []
    this.steps.push({ kind: 'kernel', nodes, operator, precision, launch })
  }

  #precision(launch: Launch): string {
    const output = this.#unit?.outputs[0]
    const dtype = output && this.facts.storageOf(output)
    if (!dtype) return launch.tactic
    return dtype === 'float32' ? 'fp32' : dtype === 'float16' ? 'fp16' : dtype
  }
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url').slice(0, 22)
}

/** A view of a whole buffer that holds a row-major tensor. */
export function viewOfBuffer(kind: DeviceBuffer['kind'], name: string, dtype: DType, shape: Shape): View {
  const buffer: DeviceBuffer = { kind, name, sizeBytes: sizeBytesOf(dtype, shape) }
  return { buffer, dtype, shape, strides: rowMajorStrides(shape), offset: 0 }
}
