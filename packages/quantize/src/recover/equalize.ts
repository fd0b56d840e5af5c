import { Tensor } from '@lowlat/core'
import { cloneGraph, type Graph, Initializer, type Node, type Value } from '@lowlat/onnx'
import { rectifierBounds } from '../graph/rectifier-bounds.ts'

/** A channel that was hardly seen may become larger later: it is scaled by no more than this. */
const LEAST_RATIO = 1 / 32
/** Room for values beyond those that were seen: a channel is scaled until it fills this share of the range. */
const FILLED = 1 / 2

/** An activation whose channels can be scaled one by one. */
interface EqualizableValue {
  /** What the convolution computes, before its rectifier if it has one. */
  readonly computed: string
  /** What the depthwise convolutions read. */
  readonly value: string
}

interface Place {
  readonly value: Value
  readonly first: Node
  readonly readers: readonly Node[]
}

/** Activations between a convolution and depthwise ones, with nothing but a rectifier in between. */
export function equalizableValues(graph: Graph): readonly EqualizableValue[] {
  return graph.nodes
    .flatMap(placeOf)
    .map(({ value, first }) => ({ computed: first.outputs[0]!.name, value: value.name }))
}

/**
 * Cross-layer equalisation (Nagel et al. 2019) by what the channels hold: where depthwise convolutions read what a
 * convolution computes, each channel is scaled up until it fills half the range of the largest one, and scaled back by
 * the weights that read it. The activation then has one scale, and yet each channel as many steps as if it had its own; the
 * weights, which have scales per channel on both sides, round to the same integers as before. Dense layers are left out:
 * what their activations would gain, their weights would lose.
 *
 * The result is the same as before on what was measured, and everywhere unless a Clip has an upper bound: that stays as
 * it is, and a scaled channel meets it at twice what was seen at least.
 * @param ranges largest magnitude per channel, by value; values that are absent stay as they are.
 * @returns a new graph with new weights.
 */
export function equalize(source: Graph, ranges: ReadonlyMap<string, Float32Array>): Graph {
  const graph = cloneGraph(source)
  for (const place of graph.nodes.flatMap(placeOf)) {
    const magnitudes = ranges.get(place.value.name)
    if (magnitudes) scaleChannels(place, ratiosOf(magnitudes))
  }
  return graph
}

function placeOf(first: Node): Place[] {
  if (!isConvolution(first)) return []
  let value = first.outputs[0]!
  const [use, second] = value.uses
  if (use?.kind === 'node' && !second && keepsZeroAndScale(use.node)) value = use.node.outputs[0]!
  const readers = value.uses.flatMap((each) => (each.kind === 'node' && each.index === 0 ? each.node : []))
  if (readers.length === 0 || readers.length < value.uses.length) return []
  return readers.every((node) => isConvolution(node) && isDepthwise(node)) ? [{ value, first, readers }] : []
}

/** f(s * x) = s * f(x) for every s > 0, below the upper bound. */
function keepsZeroAndScale(node: Node): boolean {
  return (node.opType === 'LeakyRelu' && node.domain === '') || rectifierBounds(node)?.[0] === 0
}

/** With weights and bias that belong to it alone. */
function isConvolution(node: Node): boolean {
  const constants = node.inputs.slice(1).filter((value) => value !== undefined)
  return (
    node.opType === 'Conv' &&
    node.domain === '' &&
    constants.length > 0 &&
    constants.every((value) => value.initializer?.elementType === 'float32' && value.uses.length === 1)
  )
}

/** Each output channel reads one input channel. */
const isDepthwise = (node: Node) => node.inputs[1]!.initializer!.shape[1] === 1

/** What each channel is divided by. A channel that was never seen, and what has no magnitude, stays. */
function ratiosOf(magnitudes: Float32Array): Float32Array {
  const most = magnitudes.reduce((a, b) => Math.max(a, b), 0)
  return magnitudes.map((own) => (own > 0 ? Math.min(Math.max(own / (FILLED * most), LEAST_RATIO), 1) : 1))
}

function scaleChannels({ first, readers }: Place, ratios: Float32Array): void {
  scaleRows(first, 1, (channel) => 1 / ratios[channel]!)
  if (first.inputs[2]) scaleRows(first, 2, (channel) => 1 / ratios[channel]!)
  for (const reader of readers) {
    const perChannel = reader.inputs[1]!.initializer!.shape[0]! / ratios.length
    scaleRows(reader, 1, (row) => ratios[Math.floor(row / perChannel)]!)
  }
}

function scaleRows(node: Node, index: number, factor: (row: number) => number): void {
  const value = node.inputs[index]!
  const { shape, tensor } = value.initializer!
  const data = Float32Array.from(tensor.toFloat32())
  const perRow = data.length / shape[0]!
  for (let i = 0; i < data.length; i++) data[i]! *= factor(Math.floor(i / perRow))
  value.initializer = Initializer.fromTensor(new Tensor('float32', shape, data))
}
