import { attributeTypes } from '../codec/constants.ts'
import { invalidModel } from '../codec/errors.ts'
import type { AttributeProto, GraphProto } from '../codec/messages.ts'
import { numbersOf } from '../codec/packed-list.ts'
import type { Graph } from './graph.ts'
import { Initializer } from './initializer.ts'

/**
 * An attribute of a node. 'other' holds what the graph has no own form for: lists of tensors, sparse tensors, types,
 * strings that are not UTF-8, and references to a function's attributes.
 */
export type AttributeValue =
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'int'; readonly value: bigint }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'tensor'; readonly value: Initializer }
  | { readonly type: 'graph'; readonly value: Graph }
  | { readonly type: 'floats'; readonly value: readonly number[] }
  | { readonly type: 'ints'; readonly value: readonly bigint[] }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'graphs'; readonly value: readonly Graph[] }
  | { readonly type: 'other'; readonly value: AttributeProto }

/** Immutable: to change an attribute, set another one under its name. */
export type Attribute = AttributeValue & {
  /** The message that it came from. */
  readonly source?: AttributeProto
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** @param graphFrom loads a subgraph, which may read values of the graph around it. */
export function attributeFromMessage(source: AttributeProto, graphFrom: (message: GraphProto) => Graph): Attribute {
  return { ...valueFromMessage(source, graphFrom), source }
}

function valueFromMessage(source: AttributeProto, graphFrom: (message: GraphProto) => Graph): AttributeValue {
  const other: AttributeValue = { type: 'other', value: source }
  if (source.refAttrName) return other
  switch (source.type || typeFromFields(source)) {
    // Writers in proto3 leave out a scalar that is zero or empty.
    case attributeTypes.float:
      return { type: 'float', value: source.f ?? 0 }
    case attributeTypes.int:
      return { type: 'int', value: source.i ?? 0n }
    case attributeTypes.string: {
      const text = textFrom(source.s ?? new Uint8Array())
      return text === undefined ? other : { type: 'string', value: text }
    }
    case attributeTypes.tensor:
      return { type: 'tensor', value: Initializer.fromMessage(source.t ?? missing(source, 'tensor')) }
    case attributeTypes.graph:
      return { type: 'graph', value: graphFrom(source.g ?? missing(source, 'graph')) }
    case attributeTypes.floats:
      return { type: 'floats', value: numbersOf(source.floats) }
    case attributeTypes.ints:
      return { type: 'ints', value: numbersOf(source.ints) }
    case attributeTypes.strings: {
      const texts = (source.strings ?? []).map(textFrom)
      return texts.every((text) => text !== undefined) ? { type: 'strings', value: texts } : other
    }
    case attributeTypes.graphs:
      return { type: 'graphs', value: (source.graphs ?? []).map(graphFrom) }
    default:
      return other
  }
}

/** IR version 1 had no type field: the value that is present decides. */
function typeFromFields(source: AttributeProto): number | undefined {
  if (source.f !== undefined) return attributeTypes.float
  if (source.i !== undefined) return attributeTypes.int
  if (source.s !== undefined) return attributeTypes.string
  if (source.t !== undefined) return attributeTypes.tensor
  if (source.g !== undefined) return attributeTypes.graph
  if (source.floats !== undefined) return attributeTypes.floats
  if (source.ints !== undefined) return attributeTypes.ints
  if (source.strings !== undefined) return attributeTypes.strings
  if (source.graphs !== undefined) return attributeTypes.graphs
  return undefined
}

function missing(source: AttributeProto, type: string): never {
  throw invalidModel(`Expected the attribute '${source.name ?? ''}' to hold a ${type}, but it holds none.`)
}

function textFrom(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined // bytes, not text: the attribute keeps its message
  }
}

/** @param graphTo writes a subgraph, which may have been edited whatever the attribute's source says. */
export function messageFromAttribute(
  name: string,
  attribute: Attribute,
  graphTo: (graph: Graph) => GraphProto,
): AttributeProto {
  const { source } = attribute
  if (attribute.type === 'graph') return { ...source, name, type: attributeTypes.graph, g: graphTo(attribute.value) }
  if (attribute.type === 'graphs') {
    return { ...source, name, type: attributeTypes.graphs, graphs: attribute.value.map(graphTo) }
  }
  if (source) return source.name === name ? source : { ...source, name }
  switch (attribute.type) {
    case 'float':
      return { name, f: attribute.value, type: attributeTypes.float }
    case 'int':
      return { name, i: attribute.value, type: attributeTypes.int }
    case 'string':
      return { name, s: encoder.encode(attribute.value), type: attributeTypes.string }
    case 'tensor':
      return { name, t: attribute.value.message, type: attributeTypes.tensor }
    case 'floats':
      return { name, floats: attribute.value, type: attributeTypes.floats }
    case 'ints':
      return { name, ints: attribute.value, type: attributeTypes.ints }
    case 'strings':
      return { name, strings: attribute.value.map((text) => encoder.encode(text)), type: attributeTypes.strings }
    case 'other':
      return { ...attribute.value, name }
  }
}
