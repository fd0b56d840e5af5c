import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
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

/** What becomes of a name in a process for which its package is not there: in this repository all of them are. */
async function resolvedWithout(name: string): Promise<unknown> {
  const hide = `export const resolve = async (specifier, context, next) => {
    if (specifier !== '@lowlat/backend-${name}') return next(specifier, context)
    throw Object.assign(new Error("Cannot find package '" + specifier + "'"), { code: 'ERR_MODULE_NOT_FOUND' })
  }`
  const script = `
    import { register } from 'node:module'
    process.chdir(${JSON.stringify(application)})
    register(${JSON.stringify(dataUrl(hide))})
    const { resolveBackend } = await import(${JSON.stringify(new URL('backends.ts', import.meta.url).href)})
    const { code, remedy, details } = await resolveBackend('${name}').catch((error) => error)
    console.log(JSON.stringify({ code, remedy, details }))
  `
  const flags = ['--conditions=@lowlat/source', '--import', 'tsx', '--input-type=module', '-e', script]
  const cwd = fileURLToPath(new URL('.', import.meta.url)) // where tsx is found
  const env = { ...process.env, NODE_PATH: '' } // pnpm's leads to this repository
  const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd, env })
  return JSON.parse(stdout)
}

const dataUrl = (source: string) => `data:text/javascript,${encodeURIComponent(source)}`

describe('resolveBackend', () => {
  it('says how to install a backend of ours that is not there', async () => {
    expect(await resolvedWithout('trt')).toEqual({
      code: 'BACKEND_NOT_INSTALLED',
      remedy: 'Run: npm install @lowlat/backend-trt',
      details: { backend: 'trt' },
    })
  })

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
