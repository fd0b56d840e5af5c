import { Tensor } from '@lowlat/core'
import { type Graph, type Initializer, type Node, type Pass, topologicalOrder } from '@lowlat/onnx'
import { isOperator } from '../quantized.ts'
import { isOutput } from './quantization.ts'

/**
 * Constant 8-bit integers become int8 with zero point 0 where all of them fit, whatever type and zero point they had. What
 * a layer multiplies with is decided by the type then, which a plan keeps, and not by elements, which it does not.
 */
export const shiftWeights: Pass = {
  name: 'shift-weights',
  run(graph) {
    let changes = 0
    for (const node of topologicalOrder(graph)) if (shift(graph, node)) changes++
    return changes
  },
}

function shift(graph: Graph, node: Node): boolean {
  if (!isOperator(node, 'DequantizeLinear') || isOutput(node.outputs[0]!) || node.int('block_size', 0) !== 0)
    return false
  const [integers, , zeroPoint] = node.inputs
  const constant = integers?.initializer
  const type = constant?.elementType
  if (!constant || constant.isExternal || (type !== 'int8' && type !== 'uint8')) return false
  if (type === 'int8' && !zeroPoint) return false
  const zeros = zeroPoint ? integersOf(zeroPoint.initializer) : [0]
  const levels = zeros && shifted(constant, zeros, node.int('axis', 1))
  if (!levels) return false
  if (type !== 'int8' || levels.some((level, index) => level !== constant.tensor.data[index])) {
    const tensor = new Tensor('int8', constant.shape, levels)
    node.setInput(0, graph.addInitializer(graph.uniqueName(`${integers.name}.int8`), tensor))
  }
  node.setInputs(node.inputs.slice(0, 2))
  for (const value of [integers, zeroPoint]) if (value?.uses.length === 0) graph.removeValue(value)
  return true
}

function integersOf(constant: Initializer | undefined): readonly number[] | undefined {
  return constant && !constant.isExternal ? Array.from(constant.tensor.data as ArrayLike<number>) : undefined
}

/** The distances from the zero points; undefined where one is no int8. */
function shifted({ shape, tensor }: Initializer, zeros: readonly number[], axis: number): Int8Array | undefined {
  const at = axis < 0 ? axis + shape.length : axis
  if (zeros.length !== 1 && zeros.length !== shape[at]) return undefined
  const inner = zeros.length === 1 ? tensor.size : shape.slice(at + 1).reduce((product, size) => product * size, 1)
  const levels = new Int8Array(tensor.size)
  for (const [index, level] of (tensor.data as Int8Array | Uint8Array).entries()) {
    const distance = level - zeros[Math.floor(index / inner) % zeros.length]!
    if (distance < -128 || distance > 127) return undefined
    levels[index] = distance
  }
  return levels
}
