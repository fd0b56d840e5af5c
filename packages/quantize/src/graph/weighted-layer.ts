import type { Node, Value } from '@lowlat/onnx'
import { gemmChannels } from './broadcast-bias.ts'

/** A Conv, ConvTranspose, Gemm or MatMul that multiplies an activation (input 0) with a float32 constant (input 1). */
export interface WeightedLayer {
  readonly node: Node
  readonly input: Value
  readonly weight: Value
  /** The weight's axis that counts the output channels; undefined where channels do not lie along one axis. */
  readonly axis: number | undefined
  /** Whatever is added per channel (input 2), one element for each, constant or not. MatMul has none. */
  readonly bias: Value | undefined
}

/**
 * Undefined for other nodes, weights that are computed, and a Gemm that transposes its input, scales its terms or adds
 * anything but a vector of all channels (prepareGraph makes what stands for one such a vector).
 */
export function weightedLayerOf(node: Node): WeightedLayer | undefined {
  const [input, weight, bias] = node.inputs
  const constant = weight?.initializer
  if (node.domain !== '' || !input || input.initializer || constant?.elementType !== 'float32') return undefined
  const layer = (axis: number | undefined) => ({ node, input, weight: weight!, axis, bias })
  switch (node.opType) {
    case 'Conv':
      return layer(0)
    case 'ConvTranspose':
      // [C, M / groups, ...kernel]: with groups, one index of axis 1 stands for a channel of each of them.
      return layer(node.int('group', 1) === 1 ? 1 : undefined)
    case 'Gemm':
      if (node.int('transA', 0) !== 0 || node.float('alpha', 1) !== 1) return undefined
      if (bias && (node.float('beta', 1) !== 1 || !isPerChannel(node, bias))) return undefined
      return layer(node.int('transB', 0) === 0 ? 1 : 0)
    case 'MatMul':
      // A stack of matrices has as many scales per column as it has matrices; one for all is what backends take.
      return constant.shape.length < 2 ? undefined : layer(constant.shape.length === 2 ? 1 : undefined)
    default:
      return undefined
  }
}

function isPerChannel(gemm: Node, { initializer, shape }: Value): boolean {
  const [channels, ...others] = initializer?.shape ?? shape ?? []
  return others.length === 0 && channels !== undefined && channels === gemmChannels(gemm)
}
