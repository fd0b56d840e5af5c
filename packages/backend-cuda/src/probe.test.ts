import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { testsOnGpu } from '@lowlat/testing'
import { expect, it } from 'vitest'

it.skipIf(testsOnGpu())(
  'says on a machine without a GPU why there is none, and loads native code only then',
  async () => {
    const script = `
    import { createSession } from '@lowlat/core'
    import { createBackend } from './src/index.ts'
    const loaded = () => process.report.getReport().sharedObjects.some((path) => path.includes('koffi'))
    const backend = createBackend()
    const before = loaded()
    const probe = await backend.probe()
    const error = await createSession(new Uint8Array(1), { backend }).catch((error) => error)
    console.log(JSON.stringify([before, probe, error.code]))
  `
    const flags = ['--conditions=@lowlat/source', '--import', 'tsx', '--input-type=module', '-e', script]
    const cwd = fileURLToPath(new URL('..', import.meta.url))
    const env = { ...process.env, LOWLAT_CUDA_DRIVER_LIB: 'libno-such-driver.so.1' }
    const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd, env })
    const [before, probe, code] = JSON.parse(stdout)
    expect([before, code]).toEqual([false, 'BACKEND_UNAVAILABLE'])
    expect(probe).toMatchObject({ available: false, reason: expect.stringContaining('libno-such-driver.so.1') })
    expect(probe.remedy).not.toBe('')
  },
)
