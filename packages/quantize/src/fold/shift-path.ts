import type { Node, Value } from '@lowlat/onnx'
import { rectifierBounds } from '../graph/rectifier-bounds.ts'
import { weightedLayerOf } from '../graph/weighted-layer.ts'

/** Where a constant is to be added for every element of a value to change by it, and nothing else in the graph. */
export interface ShiftPath {
  /** Layers whose biases change by the constant, in every channel. */
  readonly layers: readonly Node[]
  /** Rectifiers behind them whose bounds change by it. */
  readonly rectifiers: readonly Node[]
}

/** Operators that hand the elements of input 0 on as they are. */
const movements = new Set(['Flatten', 'Reshape', 'Squeeze', 'Transpose', 'Unsqueeze'])

/**
 * The way from a value back to the biases of the layers that compute it. Undefined where something on the way does not
 * commute with the addition of a constant, or is read by anything else as well.
 * @param isQuantized values behind which Q/DQ stand: they have a constant of their own.
 */
export function shiftPath(value: Value, isQuantized: (value: Value) => boolean): ShiftPath | undefined {
  const node = value.producer
  if (node?.domain !== '') return undefined
  const before = (input: Value | undefined) =>
    input && input.uses.length === 1 && !isQuantized(input) ? shiftPath(input, isQuantized) : undefined
  if (hasOwnBias(node)) return { layers: [node], rectifiers: [] }
  if (rectifierBounds(node)) {
    const path = before(node.inputs[0])
    return path && { ...path, rectifiers: [...path.rectifiers, node] }
  }
  if (node.opType === 'Add') return before(node.inputs[0]) ?? before(node.inputs[1])
  if (node.opType === 'Concat') return all(node.inputs.map(before))
  return movements.has(node.opType) || isMaximum(node) ? before(node.inputs[0]) : undefined
}

/** A layer to whose outputs a constant per channel can be added: its bias is one, or it has room for one. */
export function hasOwnBias(node: Node): boolean {
  const layer = weightedLayerOf(node)
  if (!layer || node.opType === 'MatMul') return false
  return !layer.bias || layer.bias.initializer?.elementType === 'float32'
}

/** MaxPool pads with minus infinity, which no shift moves. */
function isMaximum({ opType, outputs }: Node): boolean {
  return opType === 'MaxPool' && outputs.filter(Boolean).length === 1
}

function all(paths: readonly (ShiftPath | undefined)[]): ShiftPath | undefined {
  const found = paths.filter((path) => path !== undefined)
  if (found.length < paths.length) return undefined
  return {
    layers: found.flatMap(({ layers }) => layers),
    rectifiers: found.flatMap(({ rectifiers }) => rectifiers),
  }
}
