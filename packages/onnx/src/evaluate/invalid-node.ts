import type { ModelError, Shape } from '@lowlat/core'
import { invalidModel } from '../codec/errors.ts'
import type { Node } from '../graph/node.ts'
import type { PartialShape } from '../graph/value-type.ts'

/** MODEL_INVALID for a node whose operands or attributes contradict what ONNX defines for its operator. */
export function invalidNode(node: Node, expected: string, got: string): ModelError {
  return invalidModel(`Expected ${expected} for the ${node.opType} node '${node.name}', got ${got}.`, {
    opType: node.opType,
    node: node.name,
    expected,
    got,
  })
}

/** '[batch, ?, 3]' */
export function shapeText(shape: Shape | PartialShape): string {
  return `[${shape.map((dim) => dim ?? '?').join(', ')}]`
}

/** An axis counted from 0. @throws ModelError MODEL_INVALID outside [-rank, rank - 1]. */
export function axisOf(node: Node, axis: number, rank: number): number {
  if (Number.isInteger(axis) && axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis
  throw invalidNode(node, `an axis of ${rank} axes`, String(axis))
}

/** Axes counted from 0, in the order given. @throws ModelError MODEL_INVALID, also for one given twice. */
export function axesOf(node: Node, axes: readonly number[], rank: number): number[] {
  const resolved = axes.map((axis) => axisOf(node, axis, rank))
  if (new Set(resolved).size === resolved.length) return resolved
  throw invalidNode(node, 'axes that differ', shapeText(axes))
}
