import { Tensor } from '@lowlat/core'
import { type Graph, Initializer, type Node, type Value } from '@lowlat/onnx'

/** Sweeps over all pairs; a chain of layers settles after a few. */
const SWEEPS = 10

/** f(s * x) = s * f(x) for every s > 0, and channels do not mix. */
const homogeneous = new Set(['Relu', 'LeakyRelu'])

interface Pair {
  readonly first: Node
  readonly second: Node
  readonly channels: number
}

/**
 * Cross-layer equalisation (Nagel et al. 2019): where a convolution follows another, with nothing but a rectifier in
 * between, a channel can be scaled down in the first and up in the second without changing the result. Scales are such
 * that a channel's weights have equal ranges in both, so that no channel is lost beside a large one. Changes the
 * graph's weights in place (as new initializers).
 * @returns the number of pairs.
 */
export function equalize(graph: Graph): number {
  const pairs = graph.nodes.flatMap((node) => pairFrom(node) ?? [])
  for (let sweep = 0; sweep < SWEEPS; sweep++) for (const pair of pairs) equalizePair(pair)
  return pairs.length
}

function pairFrom(first: Node): Pair | undefined {
  if (!isConvolution(first)) return undefined
  let value = first.outputs[0]!
  let next = onlyReader(value)
  if (next && homogeneous.has(next.opType)) {
    value = next.outputs[0]!
    next = onlyReader(value)
  }
  if (!next || !isConvolution(next) || next.inputs[0] !== value) return undefined
  return { first, second: next, channels: first.inputs[1]!.initializer!.shape[0]! }
}

function onlyReader(value: Value): Node | undefined {
  const [use, ...others] = value.uses
  return use?.kind === 'node' && others.length === 0 ? use.node : undefined
}

/** With weights and bias that belong to it alone. */
function isConvolution(node: Node): boolean {
  const constants = node.inputs.slice(1).filter((value) => value !== undefined)
  return (
    node.opType === 'Conv' &&
    constants.length > 0 &&
    constants.every((value) => value.initializer?.elementType === 'float32' && value.uses.length === 1)
  )
}

function equalizePair({ first, second, channels }: Pair): void {
  const weight = ownFloats(first.inputs[1]!)
  const bias = first.inputs[2] && ownFloats(first.inputs[2])
  const following = ownFloats(second.inputs[1]!)
  const perRow = weight.length / channels
  for (let channel = 0; channel < channels; channel++) {
    const row = weight.subarray(channel * perRow, (channel + 1) * perRow)
    const readers = [...readersOf(second, channel, following)]
    const ahead = largest(row)
    const behind = Math.max(...readers.map(largest))
    const scale = Math.sqrt(ahead / behind)
    if (!Number.isFinite(scale) || scale === 0) continue // a dead channel on either side
    for (let i = 0; i < row.length; i++) row[i]! /= scale
    if (bias) bias[channel]! /= scale
    for (const part of readers) for (let i = 0; i < part.length; i++) part[i]! *= scale
  }
  replaceFloats(first, 1, weight)
  if (bias) replaceFloats(first, 2, bias)
  replaceFloats(second, 1, following)
}

/** The parts of a convolution's weights [M, C / group, ...kernel] that read one input channel. */
function* readersOf(node: Node, channel: number, weights: Float32Array): Generator<Float32Array> {
  const [rows = 0, depth = 0, ...kernel] = node.inputs[1]!.initializer!.shape
  const taps = kernel.reduce((a, b) => a * b, 1)
  const rowsPerGroup = rows / node.int('group', 1)
  const group = Math.floor(channel / depth)
  for (let row = group * rowsPerGroup; row < (group + 1) * rowsPerGroup; row++) {
    const start = (row * depth + (channel % depth)) * taps
    yield weights.subarray(start, start + taps)
  }
}

function largest(values: Float32Array): number {
  let most = 0
  for (const value of values) most = Math.max(most, Math.abs(value))
  return most
}

const ownFloats = (value: Value) => Float32Array.from(value.initializer!.tensor.toFloat32())

function replaceFloats(node: Node, index: number, data: Float32Array): void {
  const value = node.inputs[index]!
  value.initializer = Initializer.fromTensor(new Tensor('float32', value.initializer!.shape, data))
}
