import type { Node, Value } from '@lowlat/onnx'
import type { View } from '../program/view.ts'
import type { Elementwise } from './elementwise/elementwise.ts'
import type { Facts } from './facts.ts'
import type { Lowering } from './lowering.ts'

/** How one operator runs on the device. */
export interface Rule {
  /**
   * Why the node cannot run on the device, as the end of a sentence ("needs ..."); undefined where it can. Every output and
   * every input has a known dtype and shape when this is asked. Rules never throw for what a model may contain.
   */
  supports(node: Node, facts: Facts): string | undefined
  /** Whether it gives something even where an input has no elements; other such nodes run on the host. */
  readonly takesEmpty?: boolean
  /**
   * Where input `index` would have to lie so that the only output lies in `place`, without a copy; undefined where that
   * cannot be. Of rules that only arrange elements.
   */
  placeOf?(node: Node, index: number, place: View, facts: Facts): View | undefined
  /** With `placeOf`: whether the result gets its memory before its inputs are computed, so that they are written into it. */
  readonly gathers?: boolean
  /** Of rules that compute element by element: what lets neighbouring nodes share a kernel. */
  readonly elementwise?: Elementwise
  /** Emits the steps and defines every output that is read. */
  lower(node: Node, context: Lowering): void
}

/** By operator: 'Conv', 'com.microsoft:Gelu'. */
export type Rules = Readonly<Record<string, Rule>>

/** Nodes that are computed as one. What they compute between them is read by nobody else. */
export interface Group {
  /** 'Conv+Add+Relu': what reports show. */
  readonly operator: string
  /** All nodes, in the order of the graph. */
  readonly nodes: readonly Node[]
  /** What others read of it. */
  readonly outputs: readonly Value[]
  /** Emits the steps and defines the outputs. */
  lower(context: Lowering): void
}

/** Finds nodes that are better computed as one. */
export interface Fusion {
  readonly name: string
  /**
   * The group that this node anchors, if any; asked for every node that is not claimed yet, producers first. Nodes of a group
   * must be unclaimed (`facts.isClaimed`); a group whose inner values are read elsewhere, or that would depend on
   * itself, is dropped.
   */
  match(node: Node, facts: Facts): Group | undefined
}
