import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createSessionFromFile } from './create-session.ts'

const root = await mkdtemp(join(tmpdir(), 'lowlat-session-file-'))
afterAll(() => rm(root, { recursive: true, force: true }))
afterEach(() => vi.restoreAllMocks())

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(root, 'test-'))
  path = join(folder, 'model.onnx')
  await writeFile(path, 'model')
})

describe('a JSON file', () => {
  const write = async (content: unknown) => {
    const file = join(folder, 'session.json')
    await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
    return file
  }
  const named = async (name: string) => {
    const modules = join(folder, 'node_modules', '@lowlat', `backend-${name}`)
    await mkdir(modules, { recursive: true })
    const manifest = { name: `@lowlat/backend-${name}`, type: 'module', exports: './index.js' }
    await writeFile(join(modules, 'package.json'), JSON.stringify(manifest))
    // Only what the test reads: the contract is the same wherever the value comes from.
    await writeFile(
      join(modules, 'index.js'),
      `const none = async () => {}
      export const createBackend = () => ({
        name: '${name}',
        probe: async () => ({ available: true, devices: [] }),
        compile: async (model) => ({ backend: '${name}', inputs: [], outputs: [], profiles: [], metadata: model, payload: { kind: 'bytes', bytes: new Uint8Array(1) } }),
        load: async ({ metadata }) => ({ inputs: [], outputs: [], profiles: [], inspect: () => ({ backend: '${name}', properties: metadata }), createContext: async () => ({ run: async () => ({}), [Symbol.asyncDispose]: none }), [Symbol.asyncDispose]: none }),
      })`,
    )
    vi.spyOn(process, 'cwd').mockReturnValue(folder)
  }

  it('opens a session: the model counts from the file', async () => {
    await named('from-file')
    const content = { $schema: 'x', model: './model.onnx', backend: ['trt', 'from-file'], contexts: 2, maxQueue: 3 }
    for (const file of [await write(content), pathToFileURL(await write(content))]) {
      await using session = await createSessionFromFile(file)
      expect([session.backend, session.stats.contexts]).toEqual(['from-file', 2])
      expect(session.inspect().properties).toEqual({ kind: 'file', path })
    }
  })

  it('may begin with a byte order mark, and name files by URL', async () => {
    await named('from-url')
    const content = { model: pathToFileURL(path).href, backend: 'from-url', cache: { folder: './plans' } }
    await using session = await createSessionFromFile(await write(`\uFEFF${JSON.stringify(content)}`))
    expect(session.inspect().properties).toEqual({ kind: 'file', path })
  })

  it('may not be a pipe, a device, a folder or huge', async () => {
    const pipe = join(folder, 'pipe')
    await promisify(execFile)('mkfifo', [pipe])
    const huge = await write(' '.repeat(5 * 2 ** 20))
    for (const file of [pipe, '/dev/zero', folder, huge]) {
      await expect(createSessionFromFile(file), file).rejects.toMatchObject({ code: 'CONFIG_INVALID', received: file })
    }
  })

  it.each([
    ['{', 'CONFIG_UNREADABLE'],
    ['', 'CONFIG_UNREADABLE'],
    [[], 'CONFIG_INVALID'],
    ['null', 'CONFIG_INVALID'],
    [{}, 'CONFIG_INVALID'],
    [{ model: '' }, 'CONFIG_INVALID'],
    [{ model: 'm\0.onnx' }, 'CONFIG_INVALID'],
    [{ model: 'model.onnx', warmup: [{}] }, 'CONFIG_INVALID'],
    [{ model: 'model.onnx', backend: {} }, 'CONFIG_INVALID'],
    [{ model: 'model.onnx', backends: 'cpu' }, 'CONFIG_INVALID'],
    [{ model: 'model.onnx', signal: {} }, 'CONFIG_INVALID'],
    [{ model: 'none.onnx' }, 'MODEL_NOT_FOUND'],
  ])('%j: %s', async (content, code) => {
    const file = await write(content)
    const error = await createSessionFromFile(file).catch((thrown) => thrown)
    expect(error).toMatchObject({ code })
    expect(error.message).toContain(folder)
  })

  it('that is missing or no file', async () => {
    await expect(createSessionFromFile(join(folder, 'no.json'))).rejects.toMatchObject({ code: 'CONFIG_UNREADABLE' })
    await expect(createSessionFromFile('a\0b')).rejects.toMatchObject({ code: 'CONFIG_UNREADABLE' })
    const others = ['https://example.com/a.json', 7, null, undefined, Object.create(null), 1n, Symbol('file')]
    for (const file of [new URL('https://example.com/a.json'), ...(others as never[])]) {
      await expect(createSessionFromFile(file)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
  })
})
