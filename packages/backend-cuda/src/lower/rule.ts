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
  /** Of rules that only arrange elements, with one output. */
  readonly arrangement?: Arrangement
  /** Of rules that compute element by element: what lets neighbouring nodes share a kernel. */
  readonly elementwise?: Elementwise
  /** Emits the steps and defines every output that is read. */
  lower(node: Node, context: Lowering): void
}

/** How the output of an operator that only arranges elements lies in terms of its inputs. */
export interface Arrangement {
  /** Where input `index` would have to lie so that the output lies in `place`, without a copy; undefined where it cannot. */
  inputIn(node: Node, index: number, place: View, facts: Facts): View | undefined
  /** The output as a view of its only input; undefined where it is none. Absent where it has several. */
  outputOf?(node: Node, input: View, facts: Facts): View | undefined
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
