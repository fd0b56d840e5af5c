import { existsSync } from 'node:fs'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Tensor } from '@lowlat/core'
import { denseModel } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBackend } from './backend.ts'
import { writingTo } from './disk-errors.ts'

/** Linux's file that is always full. */
const full = '/dev/full'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lowlat-disk-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe.skipIf(!existsSync(full))('a full disk', () => {
  it.each(['model.onnx', 'optimized.onnx'])(
    'while %s is written is named, with its folder and what is free',
    async (name) => {
      const workFolder = await mkdtemp(join(folder, 'work-'))
      await symlink(full, join(workFolder, name))
      const options = { precision: 'model', profiles: [], backendOptions: {}, workFolder } as const
      const bytes = denseModel(Tensor.zeros('float32', [256, 256]))
      await expect(createBackend().compile({ kind: 'bytes', bytes }, options)).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(/room for the compiled plan in '.*work-.*MiB free\): (ENOSPC|Protobuf)/),
        remedy: expect.stringContaining('LOWLAT_CACHE_DIR'),
        details: { folder: workFolder, freeBytes: expect.any(Number) },
      })
    },
  )

  it('is told from a folder that is gone, and from what fails otherwise', async () => {
    const gone = join(folder, 'gone')
    const filling = writingTo(gone, () => writeFile(full, 'x'))
    await expect(filling).rejects.toMatchObject({ code: 'CONFIG_INVALID', details: { freeBytes: undefined } })
    await expect(writingTo(folder, () => writeFile(join(gone, 'x'), 'x'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
