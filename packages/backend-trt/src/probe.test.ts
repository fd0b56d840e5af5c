import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { BackendError } from '@lowlat/core'
import { simulatorUnavailable, testsOnGpu } from '@lowlat/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { probeTensorRt } from './probe.ts'
import { openWith } from './tensorrt/open.ts'
import { nativeError } from './testing/fake-native.ts'
import { FakeSession, useSimulatedDriver } from './testing/fake-session.ts'

const reason = testsOnGpu() ? 'needs the simulator, not a GPU' : simulatorUnavailable()

describe.skipIf(reason)(`the probe, where there is a GPU${reason ? ` (${reason})` : ''}`, () => {
  beforeAll(async () => {
    await useSimulatedDriver()
  }, 600_000)

  it('names the version and the library', () => {
    using session = new FakeSession()
    const probe = probeTensorRt(() => session.tensorRt)
    expect(probe).toMatchObject({
      available: true,
      devices: [{ details: { tensorRt: '10.13.2', library: '/usr/lib/libnvinfer.so.10' } }],
    })
  })

  it.each([
    ['LIBRARY_MISSING', { library: 'nvinfer', tried: ['libnvinfer.so.11'] }, /libnvinfer.so.11/, /LOWLAT_NVINFER_LIB/],
    [
      'SYMBOL_MISSING',
      { library: 'x.so', symbol: 'createInferBuilder_INTERNAL' },
      /createInferBuilder_INTERNAL/,
      /anew/,
    ],
    ['VERSION_UNSUPPORTED', { version: '9.3.0' }, /9\.3\.0/, /LOWLAT_NVINFER_LIB/],
  ])('says for %s why there is none, and what to do', (code, fields, why, remedy) => {
    using session = new FakeSession()
    session.fake.failures.set('open', nativeError(code, fields))
    const probe = probeTensorRt(() => openWith(() => session.fake, { nvinfer: [code] }))
    expect(probe).toMatchObject({
      available: false,
      reason: expect.stringMatching(why),
      remedy: expect.stringMatching(remedy),
    })
    expect(probe.devices).toHaveLength(1)
    if (!probe.available) expect(probe.reason).not.toContain(probe.remedy)
  })

  it('says so where the addon does not load', () => {
    const addon = () => {
      throw new BackendError('BACKEND_UNAVAILABLE', { message: 'No addon.', remedy: 'Install it.' })
    }
    const probe = probeTensorRt(() => openWith(addon, { nvinfer: ['no addon'] }))
    expect(probe).toMatchObject({ available: false, reason: 'No addon.', remedy: 'Install it.' })
  })

  it('never throws', () => {
    const probe = probeTensorRt(() => {
      throw new TypeError('a mistake')
    })
    expect(probe).toMatchObject({ available: false, reason: expect.stringContaining('a mistake') })
  })
})

// Needs tsx, which a GPU machine does not have.
it.skipIf(testsOnGpu())(
  'says on a machine without a GPU why there is none, and loads native code only then',
  async () => {
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
    const flags = ['--conditions=@lowlat/source', '--import', 'tsx', '--input-type=module', '-e', script]
    const cwd = fileURLToPath(new URL('..', import.meta.url))
    const env = { ...process.env, LOWLAT_CUDA_DRIVER_LIB: 'libno-such-driver.so.1' }
    const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd, env })
    const [before, probe, code] = JSON.parse(stdout)
    expect([before, code]).toEqual([0, 'BACKEND_UNAVAILABLE'])
    expect(probe).toMatchObject({ available: false, reason: expect.stringContaining('libno-such-driver.so.1') })
    expect(probe.remedy).not.toBe('')
  },
)
