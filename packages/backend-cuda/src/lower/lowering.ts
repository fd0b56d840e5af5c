import type { DType, Shape, Tensor } from '@lowlat/core'
import type { Value } from '@lowlat/onnx'
import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'
import type { Facts } from './facts.ts'
import type { Layout } from './layout.ts'

/** How a value should lie in memory. */
export interface Form {
  /** Default: that of the storage dtype (`facts.storageOf`) for destinations, that of the view for reads. */
  readonly dtype?: DType
  /** Default row-major for destinations; for reads any strides. */
  readonly layout?: Layout
}

export interface Destination extends Form {
  /**
   * Whether the kernel can write this view: asked for the places where the result is wanted (an output of the model, a
   * slice of a concatenation), which may have another dtype, layout, pitch or offset than asked for. A new temporary of
   * exactly the form asked for is made where it is refused. Default: refuses everything that is not of the form.
   */
  readonly accepts?: (view: View) => boolean
}

export interface StepNotes {
  /** Default: the operator of the node or group. */
  readonly operator?: string
  /** 'fp32', 'tf32', 'fp16', 'int8', or the dtype of what moves. Default: by the dtype of the first output. */
  readonly precision?: string
}

/** What rules and groups emit their steps through; values are in single assignment: defined once, then only read. */
export interface Lowering {
  readonly facts: Facts

  /**
   * The view of a value, as it lies; constants come row-major in their storage dtype. Its dtype may differ from
   * `facts.storageOf` (inputs of the model keep their dtype): read it from the view, or ask for a form.
   * With a form, a strided copy (cast) is emitted where the view is not of that form; equal requests share one copy.
   */
  viewOf(value: Value, form?: Form): View
  /** The same for a view that a rule derived. */
  inForm(view: View, form: Form): View
  /** Row-major without gaps. */
  contiguous(view: View, dtype?: DType): View
  /**
   * [N, C, spatial...] with contiguous channels and a uniform pixel pitch (see `pixelPitch`), which may be larger than C
   * where the view is a slice of channels. A copy only where it is not so already, or where `accepts` refuses it.
   */
  channelsLast(view: View, options?: { readonly dtype?: DType; readonly accepts?: (view: View) => boolean }): View

  /** A buffer of the arena; default row-major. */
  temporary(dtype: DType, shape: Shape, layout?: Layout): View
  /** Where to write a value: straight to where it is wanted if the kernel can, else a new temporary. Define it afterwards. */
  destinationFor(value: Value, destination?: Destination): View
  /**
   * Says where a value lies: the view that a kernel wrote, or any view of existing memory (an alias: no copy). Outputs of
   * the model that lie elsewhere are copied.
   */
  define(value: Value, view: View): void

  /**
   * A weight packed by `make`, by key: the value's name and `packing` (which must name every choice that the bytes depend on).
   * `make` gets the elements as the model has them, and is called only while a plan is made.
   * The value must be constant (`facts.isConstant`).
   */
  pack(value: Value, packing: string, dtype: DType, shape: Shape, make: (tensor: Tensor) => Uint8Array): View
  /** As {@link pack}, of several constants; those that are undefined stay so. */
  packAll(
    values: readonly (Value | undefined)[],
    packing: string,
    dtype: DType,
    shape: Shape,
    make: (tensors: readonly (Tensor | undefined)[]) => Uint8Array,
  ): View
  /** A small constant that lowering made up (tables, dims); found again by its content. At most 64 KiB. */
  table(dtype: DType, shape: Shape, bytes: Uint8Array): View

  /** Copies between views of the same shape, element by element, converting between dtypes that kernels store. */
  copy(from: View, to: View): void
  /** Appends a kernel that computes (part of) the current node or group. */
  emit(launch: Launch, notes?: StepNotes): void
}
