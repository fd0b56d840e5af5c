import { fusedOutput, type Graph, type Initializer, type Node, type Value } from '@lowlat/onnx'
import { type Layer, layersOf } from './layer.ts'
import { isDequantize, isQuantize, quantizationOf, readersOf } from './linear-quantization.ts'
import type { Rounding } from './rounding.ts'

/**
 * How the file says what is quantized:
 * - 'integer-weights': integers behind DequantizeLinear alone (PyTorch FX and PT2E, ONNX Runtime's tool, TFLite);
 * - 'float-weights': QuantizeLinear and DequantizeLinear around float weights (pytorch-quantization, ModelOpt);
 * - 'integer-operators': QLinearConv and the like (ONNX Runtime's QOperator format);
 * - 'activations': no weight is quantized;
 * - 'mixed': several of these.
 */
export type QuantizationStyle = 'integer-weights' | 'float-weights' | 'integer-operators' | 'activations' | 'mixed'

export interface FloatLayer {
  readonly node: string
  readonly opType: string
  readonly reason: string
}

export interface ImportReport {
  /** Name and version of the exporter; empty when the file does not say. */
  readonly producer: string
  readonly style: QuantizationStyle
  /** As the file has them: 'uint8' or 'uint8 symmetric' (zero point in the middle), most frequent first. */
  readonly activationTypes: readonly string[]
  readonly weightTypes: readonly string[]
  /** Share of the quantized weights that have scales per channel: 0 to 1. */
  readonly perChannel: number
  /** Layers with constant weights. */
  readonly layers: number
  /** The layers among them that compute with floats, and why; empty for a model that is integer throughout. */
  readonly floatLayers: readonly FloatLayer[]
  /** Integer operators that stay as they are: dynamic quantization, and parameters that are computed. */
  readonly otherOperators: readonly string[]
  /** What the translation to the target had to round: see {@link translate}. */
  readonly rounded: readonly Rounding[]
}

/** Counted before anything is rewritten. */
export function styleOf(graph: Graph): QuantizationStyle {
  const styles = new Set<QuantizationStyle>()
  for (const node of graph.nodes) {
    if (/^(QLinear|QGemm)/.test(node.opType)) styles.add('integer-operators')
    if (!/^DequantizeLinear$/.test(node.opType)) continue
    const initializer = constantOf(node.inputs[0])
    const source = initializer ?? constantOf(node.inputs[0]?.producer?.inputs[0])
    // Biases are stored as integers beside weights of either style.
    if (!source || source.elementType === 'int32') continue
    styles.add(initializer ? 'integer-weights' : 'float-weights')
  }
  const [style] = styles
  return styles.size > 1 ? 'mixed' : (style ?? 'activations')
}

/** Exporters write constants as initializers or as nodes. */
function constantOf(value: Value | undefined): Initializer | undefined {
  const { producer } = value ?? {}
  if (producer?.opType === 'Constant' && producer.attributes.has('value')) return producer.tensor('value')
  return value?.initializer
}

/** What is quantized in a graph whose parameters are normalized. */
export function coverageOf(graph: Graph): Omit<ImportReport, 'producer' | 'style' | 'rounded'> {
  const layers = layersOf(graph)
  const weights = new Set(layers.flatMap(({ weight }) => weight ?? []))
  return {
    activationTypes: typesOf(graph.nodes.filter(isQuantize)),
    weightTypes: typesOf([...weights]),
    perChannel: weights.size === 0 ? 0 : [...weights].filter(isPerChannel).length / weights.size,
    layers: layers.length,
    floatLayers: layers.flatMap((layer) => {
      const reason = floatReason(layer)
      return reason ? [{ node: layer.node.name, opType: layer.node.opType, reason }] : []
    }),
    otherOperators: graph.nodes.filter(({ opType }) => otherOperator.test(opType)).map(({ opType }) => opType),
  }
}

const otherOperator = /^(QLinear\w+|QGemm|QAttention|\w*Integer\w*|Dynamic\w+)$/

const isPerChannel = (dequantize: Node) => quantizationOf(dequantize)?.axis !== undefined

function typesOf(nodes: readonly Node[]): string[] {
  const counts = new Map<string, number>()
  for (const node of nodes) {
    const known = quantizationOf(node)
    if (!known) continue
    const { dtype, zeroPoints } = known
    const middle = dtype === 'uint8' ? 128 : 0
    const type = zeroPoints.every((zero) => zero === middle) ? `${dtype} symmetric` : dtype
    counts.set(type, (counts.get(type) ?? 0) + 1)
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([type]) => type)
}

/** Undefined for a layer that computes with integers. */
function floatReason({ node, input, weight, bias }: Layer): string | undefined {
  if (!weight) return 'its weight is float'
  if (!quantizationOf(weight)) return 'the scale of its weight is computed, or there is one per block'
  if (!input) return 'its input is float'
  if (!quantizationOf(input)) return 'the scale of its input is computed'
  if (bias && !bias.initializer && !isDequantize(bias.producer)) return 'its bias is computed'
  // Matrix products may write floats; convolutions give back what they read.
  const isConvolution = node.opType === 'Conv' || node.opType === 'ConvTranspose'
  if (isConvolution && !readersOf(fusedOutput(node)!)?.every(isQuantize)) return 'its output is not quantized'
  return undefined
}

/** The report in a few lines. */
export function textFromImport(report: ImportReport): string {
  const { producer, style, activationTypes, weightTypes, perChannel, layers, floatLayers, otherOperators, rounded } =
    report
  const scales =
    perChannel === 1 ? 'per channel' : perChannel === 0 ? 'per tensor' : `${Math.round(perChannel * 100)} % per channel`
  return [
    `quantized by    ${producer || 'unknown'} (${style})`,
    `activations     ${activationTypes.join(', ') || 'float'}`,
    `weights         ${weightTypes.join(', ') || 'float'}, ${scales}`,
    `integer layers  ${layers - floatLayers.length} of ${layers}`,
    ...floatLayers.map(({ node, opType, reason }) => `  float: ${opType} ${node}: ${reason}`),
    ...(otherOperators.length > 0 ? [`left as it is   ${[...new Set(otherOperators)].join(', ')}`] : []),
    ...rounded.map(
      ({ kind, value, from, worstError, step }) =>
        `  rounded: ${kind} ${value} (${from}): by up to ${worstError.toPrecision(3)}${step ? `, ${(worstError / step).toPrecision(2)} steps${kind === 'bias' ? ' of the output' : ''}` : ''}`,
    ),
  ].join('\n')
}
