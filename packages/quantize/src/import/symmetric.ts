import { ModelError, Tensor } from '@lowlat/core'
import { type Graph, Initializer, type Node, type Value } from '@lowlat/onnx'
import { channelLayout, gatherChannels, scatterChannels } from '../weights/channels.ts'
import { levelsOf, roundTo } from '../weights/quantize-weight.ts'
import { type Layer, layersOf } from './layer.ts'
import {
  activationQuantization,
  isDequantize,
  isEightBit,
  isQuantize,
  type LinearQuantization,
  pairsOf,
  quantizationOf,
  readersOf,
  setQuantization,
} from './linear-quantization.ts'
import type { Rounding } from './rounding.ts'

const symmetric = levelsOf({ dtype: 'int8', symmetric: true }, 0)

/** Activations and weights as int8 with zero point 0. @returns those that could not be translated exactly. */
export function makeSymmetric(graph: Graph): Rounding[] {
  const layers = layersOf(graph)
  const activations = graph.nodes.filter(isQuantize).flatMap((node) => symmetricActivation(graph, node) ?? [])
  const weights = graph.nodes.filter(isDequantize).flatMap((node) => symmetricWeight(graph, node, layers) ?? [])
  return [...activations, ...weights]
}

function describe({ dtype, zeroPoints }: LinearQuantization): string {
  const distinct = [...new Set(zeroPoints)]
  return `${dtype}, zero point ${distinct.length === 1 ? distinct[0] : `${Math.min(...distinct)} to ${Math.max(...distinct)}`}`
}

function symmetricActivation(graph: Graph, quantize: Node): Rounding | undefined {
  const known = activationQuantization(quantize)
  if (!known || isSymmetric(known)) return undefined
  const nodes = pairsOf(quantize)
  if (!nodes) throw sharedIntegers(quantize.outputs[0]!)
  const middle = known.dtype === 'uint8' ? 128 : 0
  const [scale = 1] = known.scales
  const [zeroPoint = 0] = known.zeroPoints
  const [lowest, highest] = [middle - 128 - zeroPoint, middle + 127 - zeroPoint]
  const isExact = zeroPoint === middle
  const next = isExact ? scale : Math.fround((Math.max(-lowest, highest) * scale) / symmetric.highest)
  const parameters = {
    dtype: 'int8',
    axis: undefined,
    scales: Float32Array.of(next),
    zeroPoints: new Int32Array(1),
  } as const
  for (const node of nodes) setQuantization(graph, node, parameters)
  quantize.outputs[0]!.elementType = 'int8'
  if (isExact) return undefined
  const { name } = quantize.inputs[0]!
  saturate(graph, quantize, lowest * scale, highest * scale)
  let worstError = 0
  for (let steps = lowest; steps <= highest; steps++) {
    const value = steps * scale
    worstError = Math.max(worstError, Math.abs(roundTo(value, next, symmetric) * next - value))
  }
  return { kind: 'activation', value: name, from: describe(known), worstError, step: scale }
}

/**
 * The old integers' ends were a rectifier as well (uint8 with zero point 0 is a Relu), which the farther-reaching new ones
 * are not.
 */
function saturate(graph: Graph, quantize: Node, low: number, high: number): void {
  const value = quantize.inputs[0]!
  if (low === 0 && value.producer?.opType === 'Relu') return
  const bound = (name: string, limit: number) =>
    graph.addInitializer(graph.uniqueName(`${value.name}.${name}`), new Tensor('float32', [], Float32Array.of(limit)))
  // The farther end saturates where it did.
  const spec =
    low === 0
      ? { opType: 'Relu', inputs: [value] }
      : {
          opType: 'Clip',
          inputs: [value, -low < high ? bound('low', low) : undefined, -low > high ? bound('high', high) : undefined],
        }
  const clipped = graph.addNode(spec, { before: quantize }).outputs[0]!
  clipped.elementType = value.elementType
  clipped.shape = value.shape
  quantize.setInput(0, clipped)
}

const isSymmetric = ({ dtype, zeroPoints }: LinearQuantization) =>
  dtype === 'int8' && zeroPoints.every((zero) => zero === 0)

function symmetricWeight(graph: Graph, dequantize: Node, layers: readonly Layer[]): Rounding | undefined {
  const constant = dequantize.inputs[0]!.initializer
  const known = quantizationOf(dequantize)
  if (!known || !isEightBit(known) || isSymmetric(known)) return undefined
  if (!constant) {
    if (isQuantize(dequantize.inputs[0]!.producer)) return undefined
    throw sharedIntegers(dequantize.inputs[0]!)
  }
  // Channels that fit as they are stay exact, even where others of the tensor do not.
  const axis = known.axis ?? channelAxis(layers, dequantize)
  const layout = channelLayout(constant.shape, axis)
  const old = gatherChannels(constant.tensor.data as Int8Array | Uint8Array, layout)
  const length = old.length / layout.channels
  const rounded = Array.from({ length: layout.channels }, (_, channel) => {
    const at = known.axis === undefined ? 0 : channel
    return symmetricChannel(
      Int16Array.from(old.subarray(channel * length, (channel + 1) * length), (q) => q - known.zeroPoints[at]!),
      known.scales[at]!,
    )
  })
  const data = new Int8Array(old.length)
  for (const [channel, { integers }] of rounded.entries()) data.set(integers, channel * length)
  const scales = Float32Array.from(rounded, ({ scale }) => scale)
  const isUniform = scales.every((scale) => scale === scales[0])
  const name = dequantize.inputs[0]!.name
  const integers = Initializer.fromTensor(new Tensor('int8', constant.shape, scatterChannels(data, layout)))
  dequantize.setInput(0, graph.addInitializer(graph.uniqueName(`${name}.int8`), integers))
  setQuantization(graph, dequantize, {
    dtype: 'int8',
    axis: isUniform ? undefined : axis,
    scales: isUniform ? scales.slice(0, 1) : scales,
    zeroPoints: new Int32Array(isUniform ? 1 : scales.length),
  })
  const worst = rounded.reduce((a, b) => (b.worstError > a.worstError ? b : a))
  if (worst.worstError === 0) return undefined
  return { kind: 'weight', value: name, from: describe(known), worstError: worst.worstError, step: worst.step }
}

/** The steps from zero of one channel under its old scale: as they are where they fit, else rounded anew. */
function symmetricChannel(steps: Int16Array, step: number) {
  const farthest = steps.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  if (steps.every((value) => value >= -128 && value <= 127)) {
    return { integers: Int8Array.from(steps), scale: step, step, worstError: 0 }
  }
  const scale = Math.fround((farthest * step) / symmetric.highest)
  const integers = Int8Array.from(steps, (value) => roundTo(value * step, scale, symmetric))
  const worstError = steps.reduce((most, value, i) => Math.max(most, Math.abs(integers[i]! * scale - value * step)), 0)
  return { integers, scale, step, worstError }
}

/** The axis of the output channels, where all layers that read the weight agree in it. */
function channelAxis(all: readonly Layer[], dequantize: Node): number | undefined {
  const readers = readersOf(dequantize.outputs[0]!)
  const layers = all.filter(({ weight }) => weight === dequantize)
  const [first, ...others] = layers
  if (!readers || !first || layers.length !== readers.length) return undefined
  return others.every(({ axis }) => axis === first.axis) ? first.axis : undefined
}

function sharedIntegers({ name }: Value): ModelError {
  return new ModelError('MODEL_UNSUPPORTED', {
    message: `Expected the integers '${name}' between QuantizeLinear and DequantizeLinear alone, but others compute or read them.`,
    remedy: 'Such integers keep their zero point: cut the model there, or quantize the float model for the target.',
    details: { value: name },
  })
}
