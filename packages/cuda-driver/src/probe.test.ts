import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { BackendError } from '@lowlat/core'
import { testsOnGpu } from '@lowlat/testing'
import { describe, expect, it } from 'vitest'
import { formatUuid } from './device.ts'
import { openDriver } from './driver.ts'
import { explain, probeDriver, type Surroundings } from './probe.ts'
import { errorFromCall } from './results.ts'

const bare: Surroundings = { inContainer: false, hasDeviceFiles: false, platform: 'linux' }

const missing = () => {
  try {
    openDriver({ library: 'libno-such-driver.so.1' })
  } catch (error) {
    return error
  }
  return undefined
}

describe('a library that is no driver', () => {
  it('is refused by name when it is not there', () => {
    expect(missing()).toMatchObject({ code: 'BACKEND_UNAVAILABLE', received: 'libno-such-driver.so.1' })
  })

  it.skipIf(process.platform !== 'linux')('is refused when it lacks functions', () => {
    expect(() => openDriver({ library: 'libc.so.6' })).toThrow(
      expect.objectContaining({
        code: 'BACKEND_UNAVAILABLE',
        message: expect.stringContaining('lacks cuInit, cuDriverGetVersion'),
      }),
    )
  })
})

describe('why there is no GPU', () => {
  it('never throws, and says why and what to do', () => {
    const probe = probeDriver({ library: 'libno-such-driver.so.1' })
    expect(probe).toMatchObject({
      available: false,
      reason: expect.stringContaining('libno-such-driver.so.1'),
      remedy: expect.stringMatching(/\S/),
      devices: [],
    })
  })

  const remedyFor = (error: unknown, surroundings: Partial<Surroundings> = {}) => {
    const probe = explain(error, { ...bare, ...surroundings })
    return probe.available ? undefined : probe.remedy
  }
  const failed = (result: number) => errorFromCall({ call: 'cuInit', result, name: 'CUDA_ERROR', text: '' })

  it('tells a machine without a driver from a container without the device and from another platform', () => {
    expect(remedyFor(missing())).toContain("Install NVIDIA's driver")
    expect(remedyFor(missing(), { inContainer: true })).toContain('--gpus all')
    expect(remedyFor(missing(), { platform: 'darwin' })).toContain('another backend')
  })

  it('tells a missing device from a driver that was updated while it ran', () => {
    expect(remedyFor(failed(100))).toContain('has an NVIDIA GPU')
    expect(remedyFor(failed(100), { inContainer: true })).toContain('--gpus all')
    expect(remedyFor(failed(803), { hasDeviceFiles: true })).toContain('restart the machine')
  })

  it('says the reason without repeating the remedy', () => {
    const error = new BackendError('BACKEND_UNAVAILABLE', { message: 'Too old.', remedy: 'Install a newer one.' })
    expect(explain(error, bare)).toMatchObject({ reason: 'Too old.', remedy: 'Install a newer one.' })
  })
})

it("writes a device's identity as nvidia-smi does", () => {
  expect(formatUuid(Uint8Array.from({ length: 16 }, (_, i) => i))).toBe('GPU-00010203-0405-0607-0809-0a0b0c0d0e0f')
})

// Needs tsx, which a GPU machine does not have.
it.skipIf(testsOnGpu())('loads native code when it is asked for, not when it is imported', async () => {
  const script = `
    import { probeDriver } from './src/index.ts'
    const loaded = () => process.report.getReport().sharedObjects.some((path) => path.includes('koffi'))
    const before = loaded()
    const { available } = probeDriver({ library: 'libno-such-driver.so.1' })
    console.log(JSON.stringify([before, available, loaded()]))
  `
  const flags = ['--conditions=@lowlat/source', '--import', 'tsx', '--input-type=module', '-e', script]
  const cwd = fileURLToPath(new URL('..', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd })
  expect(JSON.parse(stdout)).toEqual([false, false, true])
})
