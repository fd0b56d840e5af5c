import { elementwise } from '../../kernels/elementwise.ts'
import { bytesOf } from '../constant-bytes.ts'
import { canStore } from '../elementwise/storage.ts'
import { axisFrom, inputOf, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'
import { sliceView } from '../views.ts'

/** Depths beyond have too large a table. */
const maxDepth = 4096

/** on where an index equals the place along the axis, else off; negative indices count from the end. */
const oneHot: Rule = {
  supports(node, facts) {
    const output = facts.shape(outputOf(node))
    const depth = output[axisFrom(node.int('axis', -1), output.length)]!
    if (depth > maxDepth) return `has a depth of ${depth}`
    const dtypes = [facts.dtype(inputOf(node)), facts.dtype(outputOf(node))]
    return dtypes.every(canStore) ? undefined : `has no kernel for ${dtypes.join(' and ')}`
  },
  lower(node, context) {
    const { facts } = context
    const output = outputOf(node)
    const shape = facts.shape(output)
    const axis = axisFrom(node.int('axis', -1), shape.length)
    const depth = shape[axis]!
    const indices = context.viewOf(inputOf(node))
    const values = context.viewOf(inputOf(node, 2))
    const places = context.table('int64', [depth], bytesOf(BigInt64Array.from({ length: depth }, (_, i) => BigInt(i))))
    const along = shape.map((_, index) => (index === axis ? depth : 1))
    const place = context.destinationFor(output, { accepts: ({ dtype }) => canStore(dtype) })
    const hot = context.temporary('bool', shape)
    const column = {
      ...indices,
      shape: indices.shape.toSpliced(axis, 0, 1),
      strides: indices.strides.toSpliced(axis, 0, 0),
    }
    context.emit(
      elementwise({
        inputs: [column, { ...places, shape: along, strides: along.map((size) => (size === 1 ? 0 : 1)) }],
        outputs: [hot],
        program: [
          { operation: 'less', operands: [0, { constant: 0 }] },
          { operation: 'add', operands: [0, { constant: depth }] },
          { operation: 'where', operands: [2, 3, 0] },
          { operation: 'equal', operands: [4, 1] },
        ],
        compute: 'int64',
      }),
    )
    const pair = [1, 0].map((index) => ({ ...sliceView(values, 0, index, 1), shape: [], strides: [] }))
    context.emit(
      elementwise({
        inputs: [hot, ...pair],
        outputs: [place],
        program: [{ operation: 'where', operands: [0, 1, 2] }],
        compute: facts.dtype(output).startsWith('float') ? 'float32' : 'int64',
      }),
    )
    context.define(output, place)
  },
}

export const oneHotRules: Rules = { OneHot: oneHot }
