import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { ModelError } from './errors.ts'
import { compilingIn, type Storage, writingTo } from './storage.ts'

const disk = vi.hoisted(() => ({ full: false }))
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>()
  const writeFile: typeof real.writeFile = (...args) =>
    disk.full ? Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' })) : real.writeFile(...args)
  return { ...real, writeFile }
})

const folder = await mkdtemp(join(tmpdir(), 'lowlat-storage-'))
afterAll(() => rm(folder, { recursive: true, force: true }))

const storage: Storage = { name: 'plan cache', folder: '/cache', remedy: 'Make room.' }
const errno = (code: string) => Object.assign(new Error(`${code}: what it says`), { code })
const refused = { name: 'ConfigError', code: 'CONFIG_INVALID', remedy: 'Make room.', details: { storage: '/cache' } }

describe('writing to a storage', () => {
  it.each(['ENOSPC', 'EACCES', 'EROFS', 'ERR_INVALID_ARG_VALUE'])('%s becomes an error that names it', async (code) => {
    await expect(writingTo(storage, () => Promise.reject(errno(code)))).rejects.toMatchObject({
      ...refused,
      message: `The plan cache '/cache' cannot be written: ${code}: what it says. Make room.`,
      cause: { code },
    })
  })

  it('leaves other failures as they are', async () => {
    const bug = new TypeError('not JSON')
    await expect(writingTo(storage, () => Promise.reject(bug))).rejects.toBe(bug)
  })
})

describe('compiling in a storage', () => {
  const broken = new ModelError('MODEL_INVALID', { message: 'The model is broken.', remedy: 'Mend it.' })

  it('lays a failure to the disk when that is full, whatever the compiler says', async () => {
    const full = { ...refused, message: expect.stringContaining("'/cache' cannot be written: the disk is full.") }
    await expect(compilingIn(storage, folder, () => Promise.reject(errno('ENOSPC')))).rejects.toMatchObject(full)
    disk.full = true
    try {
      const compiling = compilingIn(storage, folder, () => Promise.reject(broken))
      await expect(compiling).rejects.toMatchObject({ ...full, cause: broken })
    } finally {
      disk.full = false
    }
  })

  it('leaves it as it is when there is room, or no folder any more', async () => {
    for (const place of [folder, join(folder, 'missing')]) {
      await expect(compilingIn(storage, place, () => Promise.reject(broken))).rejects.toBe(broken)
    }
  })
})
