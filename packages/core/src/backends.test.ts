import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nullBackend } from '@lowlat/testing'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { resolveBackend } from './backends.ts'

const application = await mkdtemp(join(tmpdir(), 'lowlat-application-'))
afterAll(() => rm(application, { recursive: true, force: true }))

/** A backend package in the node_modules of an application that runs in `application`. */
async function install(name: string, source: string): Promise<void> {
  const folder = join(application, 'node_modules', '@lowlat', `backend-${name}`)
  await mkdir(folder, { recursive: true })
  const manifest = { name: `@lowlat/backend-${name}`, type: 'module', exports: './index.js' }
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest))
  await writeFile(join(folder, 'index.js'), source)
}

describe('resolveBackend', () => {
  it('takes a value that keeps the contract', async () => {
    const backend = nullBackend()
    expect(await resolveBackend(backend)).toBe(backend)
  })

  it.each([[{}], [{ name: 'x' }], [null], [() => {}], [{ ...nullBackend(), load: 1 }]])('refuses %o', async (value) => {
    await expect(resolveBackend(value as never)).rejects.toMatchObject({
      name: 'BackendError',
      code: 'BACKEND_UNKNOWN',
      received: value,
    })
  })

  it.each(['gpu', 'CPU', '', 'cpu ', '../cpu', 'cpu/../../x', '@lowlat/cpu', 'no-such'])(
    'does not know %j',
    async (name) => {
      await expect(resolveBackend(name)).rejects.toMatchObject({
        code: 'BACKEND_UNKNOWN',
        expected: ['trt', 'cuda', 'cpu', 'auto'],
        received: name,
      })
    },
  )

  it('finds backends of the application, and says what is wrong with those that do not load', async () => {
    const cwd = vi.spyOn(process, 'cwd').mockReturnValue(application)
    try {
      await expect(resolveBackend('trt')).rejects.toMatchObject({
        code: 'BACKEND_NOT_INSTALLED',
        remedy: 'Run: npm install @lowlat/backend-trt',
        details: { backend: 'trt' },
      })
      const contract = 'probe() {}, compile() {}, load() {}'
      await install('mine', `export const createBackend = () => ({ name: 'mine', ${contract} })`)
      expect((await resolveBackend('mine')).name).toBe('mine')
      await install('empty', 'export const other = 1')
      await expect(resolveBackend('empty')).rejects.toMatchObject({ code: 'BACKEND_UNKNOWN' })
      await install('broken', `throw new Error('no such library')`)
      await expect(resolveBackend('broken')).rejects.toMatchObject({
        code: 'BACKEND_UNAVAILABLE',
        message: expect.stringContaining('no such library'),
      })
      // It is there, but lacks a package of its own: that is not "unknown".
      await install('lacking', `import 'a-package-that-nobody-has'`)
      await expect(resolveBackend('lacking')).rejects.toMatchObject({
        code: 'BACKEND_UNAVAILABLE',
        message: expect.stringContaining('a-package-that-nobody-has'),
      })
    } finally {
      cwd.mockRestore()
    }
  })
})
