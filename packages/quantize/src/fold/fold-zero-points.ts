import { InputError, Tensor } from '@lowlat/core'
import type { Graph, Node } from '@lowlat/onnx'
import { rectifierBounds } from '../graph/rectifier-bounds.ts'
import { dequantizedWeight } from '../simulate/dequantized-weight.ts'
import type { QuantizationParameters, Sites, WeightParameters } from '../sites.ts'
import { channelLayout, gatherChannels } from '../weights/channels.ts'
import type { ShiftPath } from './shift-path.ts'
import { foldableZeroPoints } from './zero-points.ts'

/**
 * Parameters with zero point 0 that mean the same as the given ones: what the zero points stood for moves into biases,
 * and into the bounds of rectifiers in the graph. Exact up to float32's rounding of the biases.
 * @param graph is changed: rectifiers, and biases of layers that are not quantized.
 * @param parameters may hold those of layers that are not: such a layer's bias was corrected for a weight that it does not
 * have, and is left out.
 * @throws InputError INVALID_ARGUMENT for a zero point that cannot be folded.
 */
export function foldZeroPoints(graph: Graph, sites: Sites, parameters: QuantizationParameters): QuantizationParameters {
  const shifted = [...parameters.activations].filter(([, { zeroPoint }]) => zeroPoint !== 0)
  if (shifted.length === 0) return parameters
  const folds = foldableZeroPoints(graph, sites)
  const shifts = new Shifts()
  const activations = new Map(parameters.activations)
  for (const [value, own] of shifted) {
    const fold = folds.get(value)
    if (!fold) throw notFoldable(value, own.zeroPoint)
    const constant = -own.zeroPoint * own.scale
    shifts.add(fold.before, -constant)
    for (const path of fold.sums) shifts.add(path, constant)
    for (const node of fold.layers) shifts.addProducts(node, constant, parameters.weights.get(node.name)!)
    activations.set(value, { ...own, zeroPoint: 0 })
  }
  for (const [node, shift] of shifts.rectifiers) shiftBounds(graph, node, shift)
  const quantized = new Set(sites.weights.map(({ node }) => node))
  const biases = new Map([...parameters.biases].filter(([node]) => quantized.has(node)))
  for (const [node, shift] of shifts.layers) {
    const old = biases.get(node.name) ?? node.inputs[2]?.initializer?.tensor.toFloat32()
    const bias = shift.map((value, channel) => value + (old?.[channel] ?? 0))
    if (quantized.has(node.name)) biases.set(node.name, Float32Array.from(bias))
    else setBias(graph, node, Float32Array.from(bias))
  }
  return { ...parameters, activations, biases }
}

/** What is to be added where; in double precision until all of it is known. */
class Shifts {
  readonly layers = new Map<Node, Float64Array>()
  readonly rectifiers = new Map<Node, number>()

  add({ layers, rectifiers }: ShiftPath, constant: number): void {
    for (const node of layers) this.#addTo(node, () => constant)
    for (const node of rectifiers) this.rectifiers.set(node, (this.rectifiers.get(node) ?? 0) + constant)
  }

  /** What a layer's products grow by where its input does by the constant. */
  addProducts(node: Node, constant: number, weight: WeightParameters): void {
    const { shape } = node.inputs[1]!.initializer!
    const layout = channelLayout(shape, channelAxis(node))
    const floats = gatherChannels(dequantizedWeight(weight, shape).data, layout)
    const perChannel = layout.outer * layout.inner
    this.#addTo(node, (channel) => {
      let sum = 0
      for (let i = channel * perChannel; i < (channel + 1) * perChannel; i++) sum += floats[i]!
      return constant * sum
    })
  }

  #addTo(node: Node, amount: (channel: number) => number): void {
    const sums = this.layers.get(node) ?? new Float64Array(outputChannels(node))
    for (let channel = 0; channel < sums.length; channel++) sums[channel]! += amount(channel)
    this.layers.set(node, sums)
  }
}

/** Of Conv and Gemm. */
const channelAxis = (node: Node) => (node.opType === 'Gemm' && node.int('transB', 0) === 0 ? 1 : 0)

function outputChannels(node: Node): number {
  const { shape } = node.inputs[1]!.initializer!
  if (node.opType === 'ConvTranspose') return shape[1]! * node.int('group', 1)
  return shape[channelAxis(node)]!
}

/** A Relu becomes the Clip that it is. */
function shiftBounds(graph: Graph, node: Node, shift: number): void {
  const bounds = rectifierBounds(node)!.map((bound) =>
    Number.isFinite(bound)
      ? graph.addInitializer(
          graph.uniqueName(`${node.name}.bound`),
          new Tensor('float32', [], Float32Array.of(bound + shift)),
        )
      : undefined,
  )
  node.opType = 'Clip'
  node.setInputs([node.inputs[0], ...(bounds[1] ? bounds : bounds.slice(0, 1))])
}

function setBias(graph: Graph, node: Node, bias: Float32Array): void {
  const name = graph.uniqueName(node.inputs[2]?.name ?? `${node.name}.bias`)
  node.setInput(2, graph.addInitializer(name, new Tensor('float32', [bias.length], bias)))
}

function notFoldable(value: string, zeroPoint: number): InputError {
  return new InputError('INVALID_ARGUMENT', {
    message: `Expected zero point 0 for '${value}', got ${zeroPoint}: the target has none, and what computes or reads the value cannot take it over.`,
    remedy: 'Choose its parameters with a symmetric scheme.',
    details: { value, zeroPoint },
  })
}
