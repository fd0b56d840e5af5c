import { imageTransform, type RequestBounds, RequestContext, Timeline } from '@lowlat/core'
import sharp from 'sharp'
import { describe, expect, expectTypeOf, it, vi } from 'vitest'
import type { ImageOptions } from './options.ts'
import { imagenet, yolox } from './presets.ts'
import { decodeImage } from './stage.ts'
import { wave } from './wave.test-data.ts'

const request = (bounds: RequestBounds = {}) =>
  new RequestContext({ timeline: new Timeline(), ...bounds } as ConstructorParameters<typeof RequestContext>[0])

const jpeg = () =>
  sharp(wave(320, 240), { raw: { width: 320, height: 240, channels: 3 } })
    .jpeg()
    .toBuffer()

describe('decodeImage', () => {
  it('gives a tensor of the model input and leaves the transform for later stages', async () => {
    const stage = decodeImage({ letterbox: 416, ...yolox })
    const context = request()
    const tensor = await stage.run(await jpeg(), context)
    expect(tensor.shape).toEqual([1, 3, 416, 416])
    expect(context.get(imageTransform)).toEqual({
      sourceWidth: 320,
      sourceHeight: 240,
      targetWidth: 416,
      targetHeight: 416,
      scaleX: 1.3,
      scaleY: 1.3,
      offsetX: 0,
      offsetY: 0,
    })
    expect(context.timeline.spans.map(({ segment }) => segment)).toEqual(['queue', 'preprocess'])
  })

  it('standardises as torchvision', async () => {
    const white = { data: new Uint8Array(12).fill(255), width: 2, height: 2, channels: 3 } as const
    const tensor = await decodeImage({ ...imagenet }).run(white, request())
    const expected = [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    for (const [i, value] of tensor.data.entries()) expect(value).toBeCloseTo(expected[i >> 2]!, 6)
  })

  it('goes on working after a bad image and an aborted request', async () => {
    const stage = decodeImage({ resize: 256, crop: 224, ...imagenet })
    const run = async (bytes: Uint8Array, bounds?: RequestBounds) => stage.run(bytes, request(bounds))
    await expect(run(Buffer.from('no image'))).rejects.toThrow(expect.objectContaining({ code: 'IMAGE_UNSUPPORTED' }))
    await expect(run(await jpeg(), { signal: AbortSignal.abort() })).rejects.toThrow(
      expect.objectContaining({ code: 'ABORTED' }),
    )
    expect((await run(await jpeg())).shape).toEqual([1, 3, 224, 224])
  })

  it('hands on what the request is bound to: its deadline, its priority and its signal', async () => {
    const stage = decodeImage({ concurrency: 1 })
    const bytes = await jpeg()
    const order: string[] = []
    const controller = new AbortController()
    const run = async (name: string, bounds: RequestBounds) => {
      try {
        await stage.run(bytes, request(bounds))
        order.push(name)
      } catch (error) {
        order.push(`${name} ${(error as { code: string }).code}`)
      }
    }
    const runs = [
      run('first', {}),
      run('second', {}),
      run('aborted', { signal: controller.signal }),
      run('late', { deadlineUs: 0 }),
      run('urgent', { priority: 1 }),
    ]
    controller.abort()
    await Promise.all(runs)
    expect(order.slice(0, 2).sort()).toEqual(['aborted ABORTED', 'late DEADLINE_EXCEEDED'])
    expect(order.slice(2)).toEqual(['first', 'urgent', 'second'])
  })

  it.each([{ resize: -1 }, { resize: 1e6 }, { resise: 256 }, null])('refuses %j at once', (options) => {
    expect(() => decodeImage(options as ImageOptions)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })

  it('knows the dtype of its tensors', async () => {
    const white = { data: new Uint8Array(3), width: 1, height: 1, channels: 3 } as const
    const half = await decodeImage({ dtype: 'float16' }).run(white, request())
    expectTypeOf(half.data).toEqualTypeOf<Uint16Array>()
    const single = await decodeImage({ ...imagenet, crop: 1 }).run(white, request())
    expectTypeOf(single.data).toEqualTypeOf<Float32Array>()
  })
})

describe('without a working sharp', () => {
  it('the package can be imported, raw pixels pass, and decoding says what to do', async () => {
    vi.resetModules()
    vi.doMock('sharp', () => {
      throw new Error('Could not load the sharp module')
    })
    try {
      const fresh = await import('./index.ts')
      const white = { data: new Uint8Array(3), width: 1, height: 1, channels: 3 } as const
      expect((await fresh.decodeImage().run(white, request())).shape).toEqual([1, 3, 1, 1])
      await expect(fresh.createImageDecoder({ resize: 8 }).decode(white)).rejects.toThrow(
        expect.objectContaining({ code: 'BACKEND_UNAVAILABLE', remedy: expect.stringContaining('sharp') }),
      )
    } finally {
      vi.doUnmock('sharp')
    }
  })
})
