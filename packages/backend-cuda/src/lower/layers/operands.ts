import type { Tensor } from '@lowlat/core'
import { evaluateNode, type Node, type Value } from '@lowlat/onnx'
import { floatsOf } from '../constant-bytes.ts'
import type { Facts } from '../facts.ts'
import { isOperator } from './quantized.ts'

/** A constant float tensor, or the integers that it is dequantized from: what packing reads. */
interface ConstantOperand {
  readonly values: readonly (Value | undefined)[]
  /** Part of the key of whatever is packed. */
  readonly key: string
  readonly shape: readonly number[]
  /** DequantizeLinear. */
  readonly node?: Node
  floats(tensors: readonly (Tensor | undefined)[]): Float32Array
}

/** Undefined for what depends on a run, and what is not float. */
export function constantOperandOf(value: Value, facts: Facts): ConstantOperand | undefined {
  const type = facts.typeIfKnown(value)
  if (type?.dtype !== 'float32' && type?.dtype !== 'float16') return undefined
  const { shape } = type
  const node = value.producer
  if (isOperator(node, 'DequantizeLinear') && node.inputs.every((input) => !input || input.initializer)) {
    const key = `dequantized ${node.int('axis', 1)} ${node.int('block_size', 0)}`
    return { values: node.inputs, key, shape, node, floats: (tensors) => dequantized(node, tensors) }
  }
  if (!facts.isConstant(value)) return undefined
  return { values: [value], key: 'float', shape, floats: ([tensor]) => Float32Array.from(floatsOf(tensor!)) }
}

function dequantized(node: Node, tensors: readonly (Tensor | undefined)[]): Float32Array {
  const [result] = evaluateNode(node, tensors) ?? []
  if (!result) throw new Error(`the DequantizeLinear node '${node.name}' cannot be evaluated`)
  return result.toFloat32()
}
