import { expect, it } from 'vitest'
import type { TensorProto } from '../codec/messages.ts'
import { externalFiles } from './external-files.ts'

const tensor = (location?: string): TensorProto => ({
  dims: [1n],
  dataType: 1,
  ...(location !== undefined && { dataLocation: 1, externalData: [{ key: 'location', value: location }] }),
})

it('lists the files that hold weights, attributes and subgraphs, each once', () => {
  const inner = { initializer: [tensor('inner.bin')], node: [{ attribute: [{ name: 'value', t: tensor('a.bin') }] }] }
  const files = externalFiles({
    graph: {
      initializer: [tensor(), tensor('a.bin'), tensor('b.bin')],
      node: [{ attribute: [{ name: 'g', g: inner }] }],
    },
  })
  expect(files.sort()).toEqual(['a.bin', 'b.bin', 'inner.bin'])
  expect(externalFiles({ graph: { initializer: [tensor()] } })).toEqual([])
})
