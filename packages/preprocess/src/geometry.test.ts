import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { placeImage, roundHalfEven } from './geometry.ts'
import { type ImageOptions, resolveOptions } from './options.ts'

const place = (width: number, height: number, options: ImageOptions) =>
  placeImage(width, height, resolveOptions(options))

describe('resize and crop', () => {
  it('scales the shorter side and floors the longer, as torchvision', () => {
    expect(place(500, 375, { resize: 256 }).scaled).toEqual({ width: 341, height: 256 })
    expect(place(333, 500, { resize: 256 }).scaled).toEqual({ width: 256, height: 384 })
    expect(place(256, 256, { resize: 256 }).scaled).toEqual({ width: 256, height: 256 })
  })

  it('rounds crop offsets half to even', () => {
    expect(place(500, 375, { resize: 256, crop: 224 }).crop).toMatchObject({ left: 58, top: 16 }) // 58.5 -> 58
    expect(place(227, 100, { crop: [224, 100] }).crop.left).toBe(2) // 1.5 -> 2
    expect([0.5, 1.5, 2.5, 2.4, 2.6].map(roundHalfEven)).toEqual([0, 2, 2, 2, 3])
  })

  it('takes [width, height] exactly, whatever the aspect ratio', () => {
    expect(place(500, 375, { resize: [100, 300] })).toMatchObject({ width: 100, height: 300 })
  })

  it('refuses to crop more than there is', () => {
    expect(() => place(200, 300, { crop: 224 })).toThrow(
      expect.objectContaining({ code: 'INPUT_SHAPE', expected: [224, 224], received: [200, 300] }),
    )
  })
})

describe('centralFraction', () => {
  it('cuts the same from both sides, floored', () => {
    expect(place(500, 375, { centralFraction: 0.875 }).region).toEqual({ left: 31, top: 23, width: 438, height: 329 })
  })
})

describe('letterbox', () => {
  it('fits the longer side and pads the other', () => {
    const centre = place(640, 480, { letterbox: 416 })
    expect(centre).toMatchObject({ scaled: { width: 416, height: 312 }, left: 0, top: 52, width: 416, height: 416 })
    expect(place(640, 480, { letterbox: 416, letterboxAlign: 'top-left' })).toMatchObject({ left: 0, top: 0 })
  })

  it('never loses a sliver', () => {
    expect(place(10_000, 2, { letterbox: 64 }).scaled).toEqual({ width: 64, height: 1 })
  })
})

describe('the transform', () => {
  const side = fc.integer({ min: 1, max: 5000 })
  const target = fc.integer({ min: 1, max: 1024 })
  const options = fc.oneof(
    fc.record({ letterbox: target, letterboxAlign: fc.constantFrom('centre' as const, 'top-left' as const) }),
    target.map((resize) => ({ resize, crop: Math.ceil(resize / 2) })),
    fc.record({ centralFraction: fc.double({ min: 0.1, max: 1, noNaN: true }), resize: fc.tuple(target, target) }),
  )

  it('maps the used region onto where it was put, for every size and option', () => {
    fc.assert(
      fc.property(side, side, options, (width, height, chosen) => {
        const { region, scaled, crop, left, top, transform, ...output } = place(width, height, chosen)
        expect(transform).toMatchObject({ sourceWidth: width, sourceHeight: height })
        expect([transform.targetWidth, transform.targetHeight]).toEqual([output.width, output.height])
        const x = (source: number) => source * transform.scaleX + transform.offsetX
        const y = (source: number) => source * transform.scaleY + transform.offsetY
        expect(x(region.left)).toBeCloseTo(left - crop.left, 6)
        expect(y(region.top)).toBeCloseTo(top - crop.top, 6)
        expect(x(region.left + region.width)).toBeCloseTo(left - crop.left + scaled.width, 6)
        expect(y(region.top + region.height)).toBeCloseTo(top - crop.top + scaled.height, 6)
      }),
    )
  })

  it('keeps everything inside of what it is cut from', () => {
    fc.assert(
      fc.property(side, side, options, (width, height, chosen) => {
        const { region, scaled, crop, left, top, ...output } = place(width, height, chosen)
        expect(region.left + region.width).toBeLessThanOrEqual(width)
        expect(region.top + region.height).toBeLessThanOrEqual(height)
        expect(crop.left + crop.width).toBeLessThanOrEqual(scaled.width)
        expect(crop.top + crop.height).toBeLessThanOrEqual(scaled.height)
        expect(left + crop.width).toBeLessThanOrEqual(output.width)
        expect(top + crop.height).toBeLessThanOrEqual(output.height)
        for (const length of [region.width, region.height, crop.width, crop.height]) expect(length).toBeGreaterThan(0)
        for (const offset of [region.left, region.top, crop.left, crop.top, left, top]) {
          expect(offset).toBeGreaterThanOrEqual(0)
        }
      }),
    )
  })
})
