import { fileURLToPath } from 'node:url'
import { BackendError, createSession } from '@lowlat/core'
import { nullBackend, simulatorUnavailable, sumModel, testProbeWithoutDriver, testsOnGpu } from '@lowlat/testing'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { createBackend } from './backend.ts'
import { probeTensorRt } from './probe.ts'
import { openWith } from './tensorrt/open.ts'
import { nativeError } from './testing/fake-native.ts'
import { FakeSession, useSimulatedDriver } from './testing/fake-session.ts'
import { buildAddon } from './testing/native-addon.ts'

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

  it('lets a session go on to the next backend where TensorRT is not installed, and says why', async () => {
    vi.stubEnv('LOWLAT_TRT_ADDON', await buildAddon())
    vi.stubEnv('LOWLAT_NVINFER_LIB', 'libno-such-nvinfer.so.11')
    try {
      await using session = await createSession(sumModel(), { backend: [createBackend(), nullBackend()], cache: false })
      expect(session.selection).toMatchObject([
        {
          backend: 'trt',
          used: false,
          reason: expect.stringMatching(/^The backend 'trt' cannot run here: .*libno-such-nvinfer\.so\.11/),
          remedy: expect.stringContaining('LOWLAT_NVINFER_LIB'),
        },
        { backend: 'null', used: true },
      ])
    } finally {
      vi.unstubAllEnvs()
    }
  }, 600_000)

  it('never throws', () => {
    const probe = probeTensorRt(() => {
      throw new TypeError('a mistake')
    })
    expect(probe).toMatchObject({ available: false, reason: expect.stringContaining('a mistake') })
  })
})

testProbeWithoutDriver(fileURLToPath(new URL('..', import.meta.url)))
