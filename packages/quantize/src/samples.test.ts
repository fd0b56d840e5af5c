import { type Feeds, Tensor } from '@lowlat/core'
import { GraphBuilder } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { SampleReader } from './samples.ts'

const g = new GraphBuilder('model')
g.input('x', 'float32', ['batch'])
const { graph } = g

const tensor = (value: number) => new Tensor('float32', [1], Float32Array.of(value))

async function readAll(reader: SampleReader): Promise<Feeds[]> {
  const all: Feeds[] = []
  for await (const feeds of reader.read()) all.push(feeds)
  return all
}

describe('SampleReader', () => {
  it('reads all samples and keeps no more than asked for', async () => {
    const reader = new SampleReader([1, 2, 3].map(tensor), graph, 2)
    const all = await readAll(reader)
    expect(all.map(({ x }) => x!.data[0])).toEqual([1, 2, 3])
    expect(reader.kept).toEqual(all.slice(0, 2))
    expect(reader.keptAll).toBe(false)
    const enough = new SampleReader([1, 2].map(tensor), graph, 2)
    await readAll(enough)
    expect(enough.keptAll).toBe(true)
    const none = new SampleReader([tensor(1)], graph, 0)
    expect(await readAll(none)).toHaveLength(1)
    expect(none.kept).toEqual([])
  })

  it('keeps one sample, however large it is', async () => {
    const large = new Tensor('uint8', [2 ** 28 + 1], new Uint8Array(2 ** 28 + 1))
    const reader = new SampleReader([large, tensor(1)], graph)
    await readAll(reader)
    expect(reader.kept).toEqual([{ x: large }])
  })

  it('counts rows, however they are batched', async () => {
    const batch = (rows: number) => new Tensor('float32', [rows], new Float32Array(rows))
    for (const size of [1, 2, 4]) {
      const reader = new SampleReader(
        Array.from({ length: 8 / size }, () => batch(size)),
        graph,
        4,
      )
      await readAll(reader)
      expect(reader.kept.reduce((sum, feeds) => sum + reader.rowsOf(feeds), 0)).toBe(4)
    }
    const fixed = new GraphBuilder('fixed')
    fixed.input('x', 'float32', [3])
    const reader = new SampleReader([batch(3), batch(3)], fixed.graph, 2)
    await readAll(reader)
    expect(reader.kept).toHaveLength(2)
  })

  it('stops reading once it has what it keeps', async () => {
    let read = 0
    function* endless() {
      for (;;) yield tensor(read++)
    }
    const reader = new SampleReader(endless(), graph, 3)
    await reader.keep()
    expect(reader.kept).toHaveLength(3)
    expect(read).toBe(4)
  })
})
