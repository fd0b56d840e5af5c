import type { Shape } from '@lowlat/core'
import type { Node } from '@lowlat/onnx'

/**
 * How a layer reads its input: every output position is, per group, the product of a weight matrix [rows, inputs] with
 * a vector of inputs. Gemm and MatMul have one group and positions along all axes but the last.
 */
export interface LayerGeometry {
  readonly groups: number
  /** Output channels of one group. */
  readonly rows: number
  /** Length of the vector of inputs, in the order in which Conv's weights store them: channel, then kernel. */
  readonly inputs: number
  /** Spatial sizes of the kernel; empty for Gemm and MatMul. */
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  /** Padding before each spatial axis. */
  readonly padsBefore: readonly number[]
  readonly padsAfter: readonly number[]
  /** Whether the weight is stored as [inputs, rows] (MatMul, Gemm without transB). */
  readonly transposed: boolean
}

/**
 * The geometry of Conv (1-D to 3-D, explicit padding), Gemm and MatMul with a matrix as weight; undefined for layers of
 * other kinds, whose weights are then rounded to nearest.
 */
export function layerGeometry(node: Node, weightIndex: number, weight: Shape): LayerGeometry | undefined {
  if (weightIndex !== 1) return undefined
  switch (node.opType) {
    case 'Conv':
      return convolution(node, weight)
    case 'Gemm': {
      if (node.int('transA', 0) !== 0 || node.float('alpha', 1) !== 1) return undefined
      return node.int('transB', 0) === 1 ? matrix(weight[0]!, weight[1]!, false) : matrix(weight[1]!, weight[0]!, true)
    }
    case 'MatMul':
      return weight.length === 2 ? matrix(weight[1]!, weight[0]!, true) : undefined
    default:
      return undefined
  }
}

function matrix(rows: number, inputs: number, transposed: boolean): LayerGeometry {
  const none = { kernel: [], strides: [], dilations: [], padsBefore: [], padsAfter: [] }
  return { groups: 1, rows, inputs, transposed, ...none }
}

function convolution(node: Node, [channels = 0, depth = 0, ...kernel]: Shape): LayerGeometry | undefined {
  if (node.string('auto_pad', 'NOTSET') !== 'NOTSET') return undefined
  const groups = node.int('group', 1)
  const each = (value: number) => kernel.map(() => value)
  const pads = node.ints('pads', [...each(0), ...each(0)])
  return {
    groups,
    rows: channels / groups,
    inputs: kernel.reduce((a, b) => a * b, depth),
    kernel,
    strides: node.ints('strides', each(1)),
    dilations: node.ints('dilations', each(1)),
    padsBefore: pads.slice(0, kernel.length),
    padsAfter: pads.slice(kernel.length),
    transposed: false,
  }
}
