import { Tensor } from '@lowlat/core'
import { type Graph, type Initializer, type Node, type Pass, topologicalOrder, type Value } from '@lowlat/onnx'
import { isOperator } from '../quantized.ts'
import { levelsOf } from '../weight-levels.ts'
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
  const levels = shifted(constant, zeroPoint, node.int('axis', 1))
  if (!levels) return false
  if (type !== 'int8' || levels.some((level, index) => level !== constant.tensor.data[index])) {
    const tensor = new Tensor('int8', constant.shape, levels)
    node.setInput(0, graph.addInitializer(graph.uniqueName(`${integers.name}.int8`), tensor))
  }
  node.setInputs(node.inputs.slice(0, 2))
  for (const value of [integers, zeroPoint]) if (value?.uses.length === 0) graph.removeValue(value)
  return true
}

/** The distances from the zero points; undefined where these are not known, or one distance is no int8. */
function shifted({ shape, tensor }: Initializer, zeroPoint: Value | undefined, axis: number): Int8Array | undefined {
  const zeros = zeroPoint?.initializer
  if (zeroPoint && (!zeros || zeros.isExternal)) return undefined
  const at = axis < 0 ? axis + shape.length : axis
  if (zeros && zeros.tensor.size !== 1 && zeros.tensor.size !== shape[at]) return undefined
  const levels = levelsOf({ axis: at }, [tensor, zeros?.tensor])
  return levels.every((level) => level >= -128 && level <= 127) ? Int8Array.from(levels) : undefined
}
