import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parseSessionOptions, readSessionFile } from './session-options.ts'

const folder = await mkdtemp(join(tmpdir(), 'lowlat-options-'))
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('session options', () => {
  it('may be left out', () => {
    expect(parseSessionOptions({})).toEqual({})
    const undefinedOnes = { backend: undefined, profiles: undefined, cache: undefined, signal: undefined }
    expect(parseSessionOptions(undefinedOnes)).toEqual(undefinedOnes)
  })

  it('from a file: paths count from the file, absolute ones stay', async () => {
    const file = join(folder, 'session.json')
    const read = async (content: object) => {
      await writeFile(file, JSON.stringify(content))
      return readSessionFile(file)
    }
    expect(await read({ $schema: 'any', model: 'm.onnx', cache: { folder: '../plans', maxBytes: 5 } })).toEqual({
      model: join(folder, 'm.onnx'),
      options: { cache: { folder: join(folder, '..', 'plans'), maxBytes: 5 } },
    })
    expect(await read({ model: '/models/m.onnx', cache: { folder: '/plans' }, backend: 'cpu' })).toEqual({
      model: '/models/m.onnx',
      options: { cache: { folder: '/plans' }, backend: 'cpu' },
    })
    expect(await read({ model: 'file:///models/m.onnx', cache: { folder: 'file:///plans' } })).toEqual({
      model: '/models/m.onnx',
      options: { cache: { folder: '/plans' } },
    })
    expect(await read({ model: 'm.onnx', cache: false })).toMatchObject({ options: { cache: false } })
  })
})
