import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Tensor } from '@lowlat/core'
import { denseModel } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/** Compiles, loads and runs a model in both placements, and prints the setting. */
const script = `
  import { createSession, Tensor } from '@lowlat/core'
  import { createBackend } from './src/backend.ts'

  const [model, cache] = process.argv.slice(1)
  for (const placement of ['worker', 'inline']) {
    const options = { backend: createBackend(), cache: { folder: cache }, backendOptions: { cpu: { placement } } }
    const session = await createSession(model, options)
    await session.run({ x: Tensor.zeros('float32', [1, 4]) })
    await session.dispose()
  }
  console.log(process.env.ORT_DISABLE_TELEMETRY)
`

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lowlat-telemetry-'))
  await writeFile(join(folder, 'model.onnx'), denseModel(Tensor.zeros('float32', [4, 2])))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** What the process prints, and what it leaves in its temporary folder. */
async function useModel(name: string, setting: string | undefined): Promise<{ printed: string; left: string[] }> {
  const temporary = join(folder, name)
  await mkdir(temporary)
  const { ORT_DISABLE_TELEMETRY: _, ...rest } = process.env
  const env = { ...rest, TMPDIR: temporary, ...(setting !== undefined && { ORT_DISABLE_TELEMETRY: setting }) }
  const flags = ['--conditions=@lowlat/source', '--import', 'tsx', '--input-type=module', '-e', script, '--']
  const cwd = fileURLToPath(new URL('..', import.meta.url))
  const args = [...flags, join(folder, 'model.onnx'), join(folder, `${name}-cache`)]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd, env })
  const left = (await readdir(temporary)).filter((file) => !file.startsWith('tsx-')) // the loader's own cache
  return { printed: stdout.trim(), left }
}

describe("the library's telemetry", () => {
  it('is off, and leaves nothing in the temporary folder', async () => {
    expect(await useModel('unset', undefined)).toEqual({ printed: '1', left: [] })
    expect(await useModel('empty', '')).toEqual({ printed: '1', left: [] })
  })

  it('stays as the user set it', async () => {
    expect((await useModel('kept', 'true')).printed).toBe('true')
  })
})
