import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ModelSource } from '@lowlat/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TensorProto } from '../codec/messages.ts'
import { externalFiles } from './external-files.ts'

const tensor = (location?: string): TensorProto => ({
  dims: [1n],
  dataType: 1,
  ...(location !== undefined && { dataLocation: 1, externalData: [{ key: 'location', value: location }] }),
})
const bytes: ModelSource = { kind: 'bytes', bytes: new Uint8Array(1) }

describe('the files of a model', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lowlat-external-files-'))
    for (const [index, name] of ['a.bin', 'b.bin', 'inner.bin'].entries())
      await writeFile(join(folder, name), new Uint8Array(index + 1))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('are those that hold weights, attributes and subgraphs, each once', async () => {
    const inner = { initializer: [tensor('inner.bin')], node: [{ attribute: [{ name: 'value', t: tensor('a.bin') }] }] }
    const model = {
      graph: {
        initializer: [tensor(), tensor('a.bin'), tensor('b.bin')],
        node: [{ attribute: [{ name: 'g', g: inner }] }],
      },
    }
    const files = await externalFiles(model, { kind: 'file', path: join(folder, 'model.onnx') })
    const expected = [
      [join(folder, 'a.bin'), 1],
      [join(folder, 'b.bin'), 2],
      [join(folder, 'inner.bin'), 3],
    ]
    expect(files.map(({ path, sizeBytes }) => [path, sizeBytes]).sort()).toEqual(expected)
    await expect(externalFiles(model, bytes)).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' })
  })

  it('must be there', async () => {
    const model = { graph: { initializer: [tensor('c.bin')] } }
    const source: ModelSource = { kind: 'file', path: join(folder, 'model.onnx') }
    await expect(externalFiles(model, source)).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
  })

  it('are none where all weights are inside', async () => {
    expect(await externalFiles({ graph: { initializer: [tensor()] } }, bytes)).toEqual([])
  })
})
