import { describe, expect, it } from 'vitest'
import type { GraphBuilder } from '../build/graph-builder.ts'
import type { Value } from '../graph/value.ts'
import { applyPass } from '../testing/apply-pass.ts'
import { mergeReshapes } from './merge-reshapes.ts'
import { mergeTransposes } from './merge-transposes.ts'
import { removeIdentities } from './remove-identities.ts'

const from = (body: (g: GraphBuilder, x: Value) => Value, rank: number) => (g: GraphBuilder) => {
  const y = body(g, g.input('x', 'float32', ['batch', 3, 4]))
  g.output('y', g.op('Neg', [y]), 'float32', ['a', 'b', 'c', 'd'].slice(0, rank))
}
const reshape = (g: GraphBuilder, x: Value, shape: readonly number[]) => g.op('Reshape', [x, g.int64('shape', shape)])

describe('reshapes in sequence', () => {
  it.each<[string, (g: GraphBuilder, x: Value) => Value]>([
    ['Reshape', (g, x) => reshape(g, reshape(g, x, [0, 2, 6]), [-1, 12])],
    ['Flatten', (g, x) => reshape(g, g.op('Flatten', [x]), [-1, 12])],
    ['Unsqueeze', (g, x) => reshape(g, g.op('Unsqueeze', [x, g.int64('axes', [1])]), [-1, 12])],
  ])('become the last one: %s', async (_, body) => {
    expect((await applyPass(mergeReshapes, from(body, 2))).operators).toBe('Reshape Neg')
  })

  it('stay where the second copies a size of the first', async () => {
    const { changes } = await applyPass(
      mergeReshapes,
      from((g, x) => reshape(g, reshape(g, x, [0, 2, 6]), [0, 0, -1]), 3),
    )
    expect(changes).toBe(0)
  })

  it.each([17, 11])('cancel each other where one undoes the other, in opset %i', async (opset) => {
    const axes = (g: GraphBuilder, opType: string, x: Value, list: readonly number[]) =>
      opset >= 13 ? g.op(opType, [x, g.int64('axes', list)]) : g.op(opType, [x], { axes: list })
    const { operators } = await applyPass(
      mergeReshapes,
      from((g, x) => axes(g, 'Squeeze', axes(g, 'Unsqueeze', x, [-1, 1]), [1, -1]), 3),
      { opset },
    )
    expect(operators).toBe('Neg')
  })

  it('stay where they are of different axes', async () => {
    const build = from((g, x) => {
      const wide = g.op('Unsqueeze', [x, g.int64('axes', [1, 2])])
      return g.op('Squeeze', [wide, g.int64('axes', [1])])
    }, 4)
    expect((await applyPass(mergeReshapes, build)).changes).toBe(0)
  })
})

describe('transpositions in sequence', () => {
  const transpose = (g: GraphBuilder, x: Value, perm?: readonly number[]) =>
    g.op('Transpose', [x], perm ? { perm } : {})

  it('become one', async () => {
    const { operators, graph } = await applyPass(
      mergeTransposes,
      from((g, x) => transpose(g, transpose(g, x, [2, 0, 1]), [0, 2, 1]), 3),
    )
    expect(operators).toBe('Transpose Neg')
    expect(graph.nodes[0]!.ints('perm')).toEqual([2, 1, 0])
  })

  it('cancel each other, also in reverse order by default', async () => {
    const both = {
      name: 'both',
      run: (graph: Parameters<typeof mergeTransposes.run>[0]) =>
        mergeTransposes.run(graph) + removeIdentities.run(graph),
    }
    const cyclic = from((g, x) => transpose(g, transpose(g, x, [1, 2, 0]), [2, 0, 1]), 3)
    expect((await applyPass(both, cyclic)).operators).toBe('Neg')
    expect(
      (
        await applyPass(
          both,
          from((g, x) => transpose(g, transpose(g, x)), 3),
        )
      ).operators,
    ).toBe('Neg')
  })
})
