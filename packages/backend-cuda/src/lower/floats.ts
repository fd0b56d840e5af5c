import type { DType } from '@lowlat/core'
import type { Node } from '@lowlat/onnx'
import type { Facts } from './facts.ts'
import { inputOf } from './nodes.ts'

export const isHalfOrSingle = (dtype: DType): boolean => dtype === 'float32' || dtype === 'float16'

/** Why a kernel for float32 and float16 cannot have the node. */
export function halfOrSingle(node: Node, facts: Facts): string | undefined {
  const dtype = facts.dtype(inputOf(node))
  return isHalfOrSingle(dtype) ? undefined : `has no kernel for ${dtype}`
}
