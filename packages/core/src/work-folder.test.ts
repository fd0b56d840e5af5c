import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createWorkFolder, sweepWorkFolders } from './work-folder.ts'

const root = await mkdtemp(join(tmpdir(), 'lowlat-work-test-'))
afterAll(() => rm(root, { recursive: true, force: true }))

let parent: string
beforeEach(async () => {
  parent = await mkdtemp(join(root, 'test-'))
})

const uuid = '01234567-89ab-cdef-0123-456789abcdef'
const GONE = 999_999_999 // larger than any process's number
const HOUR_MS = 3_600_000

const leave = async (name: string, ageMs: number) => {
  await mkdir(join(parent, name))
  await writeFile(join(parent, name, 'payload'), 'x')
  await age(join(parent, name), ageMs)
}
const age = (path: string, ageMs: number) => {
  const time = new Date(Date.now() - ageMs)
  return utimes(path, time, time)
}

describe('a work folder', () => {
  it('goes when it is disposed, with what is in it', async () => {
    const folder = await createWorkFolder(join(parent, 'not', 'there', 'yet'), 'build')
    expect(basename(folder.path)).toMatch(new RegExp(`^build-${process.pid}-`))
    await writeFile(join(folder.path, 'payload'), 'x')
    for (let twice = 0; twice < 2; twice++) await folder[Symbol.asyncDispose]()
    await expect(stat(folder.path)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('stays young while its process lives, for those that cannot see the process', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] })
    vi.resetModules()
    try {
      const fresh = await import('./work-folder.ts')
      const { path, ...folder } = await fresh.createWorkFolder(parent, 'lease')
      await age(path, 0.9 * HOUR_MS)
      vi.advanceTimersByTime(HOUR_MS / 3)
      await vi.waitFor(async () => expect(Date.now() - (await stat(path)).mtimeMs).toBeLessThan(0.5 * HOUR_MS))
      await folder[Symbol.asyncDispose]()
    } finally {
      vi.useRealTimers()
    }
  })

  it('that cannot be made fails as the file system says', async () => {
    await writeFile(join(parent, 'file'), '')
    await expect(createWorkFolder(join(parent, 'file'), 'build')).rejects.toMatchObject({ code: 'EEXIST' })
  })

  /** A process that makes a folder, and then does `last`. */
  const script = (last: string) => [
    '--import',
    'tsx',
    '--input-type=module',
    '-e',
    `import { writeFileSync } from 'node:fs'
    import { createWorkFolder } from ${JSON.stringify(new URL('./work-folder.ts', import.meta.url).href)}
    const { path } = await createWorkFolder(${JSON.stringify(parent)}, 'lease')
    writeFileSync(path + '/payload', 'x')
    console.log('ready')
    ${last}`,
  ]
  const options = { cwd: fileURLToPath(new URL('..', import.meta.url)) }

  it.each([
    ['ends', ''],
    ['is ended', 'process.exit(0)'],
    ['throws', 'setTimeout(() => { throw 1 })'],
  ])('goes when the process %s', async (_, last) => {
    await promisify(execFile)(process.execPath, script(last), options).catch(() => {})
    expect(await readdir(parent)).toEqual([])
  })

  it('of a process that was killed is swept when it is old; that of a process that lives never', async () => {
    const child: ChildProcess = spawn(process.execPath, script('setInterval(() => {}, 1e6)'), {
      ...options,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout!, 'data')
    const [name] = await readdir(parent)
    await age(join(parent, name!), 100 * 24 * HOUR_MS)
    await sweepWorkFolders(parent, ['lease'])
    expect(await readdir(parent)).toEqual([name])
    child.kill('SIGKILL')
    await once(child, 'exit')
    await sweepWorkFolders(parent, ['lease'])
    expect(await readdir(parent)).toEqual([])
  })
})

describe('sweeping', () => {
  it('takes what is old and of nobody, and nothing else', async () => {
    const kept = [
      `lease-${GONE}-10000000${uuid.slice(8)}`, // young
      `lease-${process.ppid}-${uuid}`, // of a process that lives
      `other-${GONE}-${uuid}`,
      `lease-${GONE}`,
      'lease-mine',
    ]
    const swept = [`build-${GONE}-${uuid}`, `lease-${GONE}-${uuid}`]
    for (const name of [...kept, ...swept]) await leave(name, name === kept[0] ? 0.9 * HOUR_MS : 1.1 * HOUR_MS)
    await sweepWorkFolders(parent, ['build', 'lease'])
    expect((await readdir(parent)).sort()).toEqual(kept.sort())
  })

  it('knows its own folders from those of an earlier process with the same number', async () => {
    const own = await createWorkFolder(parent, 'lease')
    await leave(`lease-${process.pid}-${uuid}`, 2 * HOUR_MS)
    await age(own.path, 2 * HOUR_MS)
    await sweepWorkFolders(parent, ['lease'])
    expect(await readdir(parent)).toEqual([basename(own.path)])
    await own[Symbol.asyncDispose]()
  })

  it('of a folder that is missing does nothing', async () => {
    await sweepWorkFolders(join(parent, 'missing'), ['lease'])
  })
})
