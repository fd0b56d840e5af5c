import { type ImageTransform, imageTransform, RequestContext, Tensor, Timeline } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import { decodeSegmentation, segment } from './segmentation.ts'

const identity: ImageTransform = {
  sourceWidth: 3,
  sourceHeight: 2,
  targetWidth: 3,
  targetHeight: 2,
  scaleX: 1,
  scaleY: 1,
  offsetX: 0,
  offsetY: 0,
}

/** Logits [1, classes, rows, columns] whose arg-max is the given map. */
function logitsOf(map: number[][], classes: number): Tensor<'float32'> {
  const flat = map.flat()
  const tensor = Tensor.zeros('float32', [1, classes, map.length, map[0]!.length])
  for (const [i, c] of flat.entries()) tensor.data[c * flat.length + i] = 1
  return tensor
}

const map = [
  [0, 1, 2],
  [2, 1, 0],
]

describe('decodeSegmentation', () => {
  it('takes the most probable class, the lower of equal ones, and never NaN', () => {
    const [result] = decodeSegmentation(logitsOf(map, 3), [identity])
    expect(result).toMatchObject({ width: 3, height: 2, data: Uint8Array.from(map.flat()) })
    const values = Float32Array.from([Number.NaN, 1, 1, 0, 1, Number.NaN])
    const [edge] = decodeSegmentation(new Tensor('float32', [1, 2, 1, 3], values), [identity], { size: 'model' })
    expect([...edge!.data]).toEqual([1, 0, 0])
  })

  it('goes back to the source image, whatever the size of the output', () => {
    // 6 x 4 source pixels, halved; the model returns half of its input's size again.
    const transform = {
      ...identity,
      sourceWidth: 12,
      sourceHeight: 8,
      targetWidth: 6,
      targetHeight: 4,
      scaleX: 0.5,
      scaleY: 0.5,
    }
    const [result] = decodeSegmentation(logitsOf(map, 3), [transform])
    expect(result).toMatchObject({ width: 12, height: 8 })
    for (let y = 0; y < 8; y++) {
      for (let x = 0; x < 12; x++) expect(result!.data[y * 12 + x]).toBe(map[y >> 2]![x >> 2])
    }
    const [small] = decodeSegmentation(logitsOf(map, 3), [transform], { size: 'model' })
    expect([...small!.data]).toEqual(map.flat())
  })

  it('cuts padding off, and marks what was cropped away', () => {
    const padded = { ...identity, sourceWidth: 1, sourceHeight: 2, offsetX: 2 }
    expect([...decodeSegmentation(logitsOf(map, 3), [padded])[0]!.data]).toEqual([2, 0])
    const cropped = { ...identity, sourceWidth: 5, offsetX: -1 }
    const [result] = decodeSegmentation(logitsOf(map, 3), [cropped])
    expect([...result!.data]).toEqual([255, 0, 1, 2, 255, 255, 2, 1, 0, 255])
    expect(result!.ignoreIndex).toBe(255)
  })

  it('uses 16 bits for many classes', () => {
    const [result] = decodeSegmentation(logitsOf([[299, 255, 0]], 300), [
      { ...identity, sourceHeight: 1, targetHeight: 1 },
    ])
    expect(result).toMatchObject({ data: Uint16Array.of(299, 255, 0), ignoreIndex: 65535 })
  })

  it('keeps the images of a batch apart', () => {
    const both = new Tensor('float32', [2, 2, 1, 1], Float32Array.of(1, 0, 0, 1))
    const one = { ...identity, sourceWidth: 1, sourceHeight: 1, targetWidth: 1, targetHeight: 1 }
    expect(decodeSegmentation(both, [one, one]).map(({ data }) => data[0])).toEqual([0, 1])
  })

  it('is a stage', async () => {
    const context = new RequestContext({ timeline: new Timeline() })
    context.attach(imageTransform, identity)
    expect((await segment().run(logitsOf(map, 3), context)).data).toEqual(Uint8Array.from(map.flat()))
  })

  it('refuses other shapes, a single class and bad options', () => {
    const code = (expected: string) => expect.objectContaining({ code: expected })
    expect(() => decodeSegmentation(Tensor.zeros('float32', [1, 3, 2]), [identity])).toThrow(code('INPUT_SHAPE'))
    expect(() => decodeSegmentation(Tensor.zeros('float32', [1, 1, 2, 3]), [identity])).toThrow(code('INPUT_SHAPE'))
    expect(() => decodeSegmentation(logitsOf(map, 3), [])).toThrow(code('INVALID_ARGUMENT'))
    expect(() => segment({ size: 'both' as 'source' })).toThrow(code('CONFIG_INVALID'))
  })
})
