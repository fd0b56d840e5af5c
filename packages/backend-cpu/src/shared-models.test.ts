import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSession } from '@lowlat/core'
import { testDataMissing, testDataPath } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBackend } from './backend.ts'

const missing = testDataMissing('models')
const models = missing ? [] : readdirSync(testDataPath('models')).filter((name) => name.endsWith('.onnx'))

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lowlat-models-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe.skipIf(missing)(`real models${missing ? ` (${missing})` : ''}`, () => {
  it('are there', () => expect(models).not.toEqual([]))

  it.each(models)('%s opens through the plan cache, compiled and from it, in both placements', async (name) => {
    for (const placement of ['worker', 'inline'] as const) {
      const cache = { folder: join(folder, placement) }
      let compiles = 0
      const backend = createBackend()
      const counted: typeof backend = {
        ...backend,
        compile(...args) {
          compiles++
          return backend.compile(...args)
        },
      }
      for (const _ of ['cold', 'warm']) {
        const options = { backend: counted, cache, backendOptions: { cpu: { placement } } }
        await using session = await createSession(testDataPath(`models/${name}`), options)
        expect(session.inspect().properties).toMatchObject({ placement })
      }
      expect(compiles).toBe(1)
    }
  })
})
