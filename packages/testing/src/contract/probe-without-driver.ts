import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { testsOnGpu } from '../cuda-sim/hardware.ts'

const script = `
  import { createSession } from '@lowlat/core'
  import { createBackend } from './src/index.ts'
  const native = () => process.report.getReport().sharedObjects.filter((path) => /koffi|lowlat_trt/.test(path)).length
  const backend = createBackend()
  const before = native()
  const probe = await backend.probe()
  const error = await createSession(new Uint8Array(1), { backend }).catch((error) => error)
  console.log(JSON.stringify([before, probe, error.code]))
`

/** A test of what a GPU backend says where there is no driver, in a process of its own. @param packageFolder of the backend */
export function testProbeWithoutDriver(packageFolder: string): void {
  // Needs tsx, which a GPU machine does not have.
  it.skipIf(testsOnGpu())(
    'says on a machine without a GPU why there is none, and loads native code only then',
    async () => {
      const flags = ['--conditions=@lowlat/source', '--import', 'tsx', '--input-type=module', '-e', script]
      const env = { ...process.env, LOWLAT_CUDA_DRIVER_LIB: 'libno-such-driver.so.1' }
      const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd: packageFolder, env })
      const [before, probe, code] = JSON.parse(stdout)
      expect([before, code]).toEqual([0, 'BACKEND_UNAVAILABLE'])
      expect(probe).toMatchObject({ available: false, reason: expect.stringContaining('libno-such-driver.so.1') })
      expect(probe.remedy).not.toBe('')
    },
  )
}
