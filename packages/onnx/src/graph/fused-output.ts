import type { Node } from './node.ts'
import type { Value } from './value.ts'

/** Rectifiers, which layers apply while they write their result. */
const activations = new Set(['Relu', 'Clip'])

/**
 * What a node hands on: its output, or that of a Relu or Clip which alone reads it. Only the latter is worth quantizing:
 * nothing is lost between the two.
 */
export function fusedOutput(node: Node): Value | undefined {
  const [output] = node.outputs
  const [use, second] = output?.uses ?? []
  const isFused = use?.kind === 'node' && !second && use.index === 0 && activations.has(use.node.opType)
  return isFused ? use.node.outputs[0] : output
}
