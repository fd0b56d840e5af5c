import type { Node, Value } from '@lowlat/onnx'

/** An input that the operator's definition requires. */
export function inputOf(node: Node, index = 0): Value {
  const value = node.inputs[index]
  if (!value) throw new Error(`the ${node.opType} node '${node.name}' has no input ${index}`)
  return value
}

export function outputOf(node: Node, index = 0): Value {
  const value = node.outputs[index]
  if (!value) throw new Error(`the ${node.opType} node '${node.name}' has no output ${index}`)
  return value
}

/** Whether something reads an output. */
export function isRead(value: Value | undefined): value is Value {
  return value !== undefined && value.uses.length > 0
}

/** Counts an axis from 0. */
export function axisFrom(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis
}

/** What an input that must be known before a run is called where it is not. */
export const needsKnown = (what: string): string => `needs ${what} that do not depend on data`
