import { invalidNode } from '../../evaluate/invalid-node.ts'
import type { PartialDim } from '../dims.ts'
import type { Rule, Rules } from '../site.ts'

/**
 * Y [seq, directions, batch, hidden], then the last states [directions, batch, hidden]; with layout 1 the batch comes
 * first. Input is [seq, batch, size], with layout 1 [batch, seq, size].
 */
const recurrent: Rule = (site) => {
  const { node } = site
  const x = site.shapeOf(0, 3)
  const r = site.shapeOf(2, 3)
  const direction = node.string('direction', 'forward')
  if (!['forward', 'reverse', 'bidirectional'].includes(direction)) {
    throw invalidNode(node, "'forward', 'reverse' or 'bidirectional' as direction", `'${direction}'`)
  }
  const directions = direction === 'bidirectional' ? 2 : 1
  const hidden: PartialDim = node.attributes.has('hidden_size') ? node.int('hidden_size') : r?.[2]
  const batchFirst = node.int('layout', 0) !== 0
  const [seq, batch] = batchFirst ? [x?.[1], x?.[0]] : [x?.[0], x?.[1]]
  const elementType = site.type(0)
  const state = { elementType, shape: batchFirst ? [batch, directions, hidden] : [directions, batch, hidden] }
  const all = batchFirst ? [batch, seq, directions, hidden] : [seq, directions, batch, hidden]
  return [{ elementType, shape: all }, state, state]
}

export const recurrence: Rules = { LSTM: recurrent, GRU: recurrent, RNN: recurrent }
