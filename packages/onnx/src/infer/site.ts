import { type DType, dtypeFromOnnx } from '@lowlat/core'
import { stringDataType } from '../codec/constants.ts'
import { valuesOf } from '../evaluate/elements.ts'
import { axesOf, axisOf, invalidNode } from '../evaluate/invalid-node.ts'
import type { Graph } from '../graph/graph.ts'
import type { Node } from '../graph/node.ts'
import type { ElementType, PartialShape, ValueType } from '../graph/value-type.ts'
import type { PartialDim } from './dims.ts'
import { type Fact, knownValues } from './fact.ts'

/**
 * What an operator makes of its inputs: one type per output, undefined for outputs of which nothing is known.
 * Throws a ModelError MODEL_INVALID where inputs or attributes contradict the operator's definition.
 */
export type Rule = (site: Site) => readonly (Fact | undefined)[]

export type Rules = Readonly<Record<string, Rule>>

/** A node with what is known of its inputs: all that a rule sees. */
export class Site {
  readonly node: Node
  readonly inputs: readonly (Fact | undefined)[]
  /** Version of ONNX's own operator set. */
  readonly opset: number
  /** Infers a subgraph from what is known of its inputs; the last call for a graph counts. Gives its outputs. */
  readonly inferGraph: (graph: Graph, inputs: readonly Fact[]) => readonly Fact[]

  constructor(node: Node, inputs: readonly (Fact | undefined)[], opset: number, inferGraph: Site['inferGraph']) {
    this.node = node
    this.inputs = inputs
    this.opset = opset
    this.inferGraph = inferGraph
  }

  type(index: number): ElementType | undefined {
    return this.inputs[index]?.elementType
  }

  shape(index: number): PartialShape | undefined {
    return this.inputs[index]?.shape
  }

  /** The type of an input, as that of an output. */
  like(index: number): ValueType {
    return { elementType: this.type(index), shape: this.shape(index) }
  }

  /** A shape that must have at least `rank` axes. @throws ModelError MODEL_INVALID when it has fewer. */
  shapeFrom(index: number, rank: number): PartialShape | undefined {
    const shape = this.shape(index)
    if (!shape || shape.length >= rank) return shape
    throw invalidNode(this.node, `at least ${rank} axes in input ${index}`, `${shape.length}`)
  }

  /** A shape that must have `rank` axes. @throws ModelError MODEL_INVALID when it has others. */
  shapeOf(index: number, rank: number): PartialShape | undefined {
    const shape = this.shape(index)
    if (!shape || shape.length === rank) return shape
    throw invalidNode(this.node, `${rank} axes in input ${index}`, `${shape.length}`)
  }

  /** Whether an operand is given, as an input or (in older operator sets) as an attribute. */
  has(index: number, attribute?: string): boolean {
    return this.inputs[index] !== undefined || (attribute !== undefined && this.node.attributes.has(attribute))
  }

  /** Elements of an integer input, or of the attribute that it once was; undefined where their number is not known. */
  values(index: number, attribute?: string): readonly PartialDim[] | undefined {
    const fact = this.inputs[index]
    if (fact) return knownValues(fact)
    return attribute !== undefined && this.node.attributes.has(attribute) ? this.node.ints(attribute) : undefined
  }

  /** As {@link values}, where all are known as numbers. */
  integers(index: number, attribute?: string): readonly number[] | undefined {
    const values = this.values(index, attribute)
    return values?.every((value) => typeof value === 'number') ? values : undefined
  }

  /** Elements of a constant, floats included. */
  floats(index: number, attribute?: string): readonly number[] | undefined {
    const fact = this.inputs[index]
    if (fact) return fact.constant && Array.from(valuesOf(fact.constant) ?? [], Number)
    return attribute !== undefined && this.node.attributes.has(attribute) ? this.node.floats(attribute) : undefined
  }

  /** The length of a list that is an input. */
  count(index: number): PartialDim {
    return this.shapeOf(index, 1)?.[0]
  }

  /** @throws ModelError MODEL_INVALID outside the rank, as {@link axes}. */
  axis(axis: number, rank: number): number {
    return axisOf(this.node, axis, rank)
  }

  axes(axes: readonly number[], rank: number): number[] {
    return axesOf(this.node, axes, rank)
  }

  /** The element type that an attribute names by ONNX's code; `fallback` where it is absent. */
  typeAttribute(name: string, fallback: ElementType | undefined): ElementType | undefined {
    if (!this.node.attributes.has(name)) return fallback
    const code = this.node.int(name)
    return code === stringDataType ? 'string' : dtypeFromOnnx(code)
  }
}

/** A rule whose only output has a fixed element type. */
export function typed(elementType: DType, shape: (site: Site) => PartialShape | undefined): Rule {
  return (site) => [{ elementType, shape: shape(site) }]
}

/** The same rule for several operators. */
export function each(opTypes: string, rule: Rule): Rules {
  return Object.fromEntries(opTypes.split(/\s+/).map((opType) => [opType, rule]))
}
