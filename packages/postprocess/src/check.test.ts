import { type ImageTransform, RequestContext, type Stage, Tensor, Timeline } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import { sigmoid, sigmoidStage, softmax, softmaxStage } from './activations.ts'
import { nms } from './nms.ts'
import { ssdPriors } from './priors.ts'
import { decodeSegmentation, segment } from './segmentation.ts'
import { decodeSsd, detectSsd } from './ssd.ts'
import { classify, topK, topKBatch, topKIndices } from './top-k.ts'
import { decodeYolov8, detectYolov8 } from './yolov8.ts'
import { decodeYolox, detectYolox } from './yolox.ts'

type Make = (options?: never) => Stage<never, unknown>
type Apply = (value: never, transforms: never, options?: never) => unknown

const code = (expected: string) => expect.objectContaining({ code: expected })
const request = () => new RequestContext({ timeline: new Timeline() })
const tensor = Tensor.zeros('float32', [1, 6, 2])
const odd: [unknown][] = [[null], [undefined], [5], ['tensor'], [{}], [Symbol('tensor')], [new Float32Array(3)]]

const stages: [string, Make][] = [
  ['topK', (options) => topK(5, options)],
  ['topKBatch', (options) => topKBatch(5, options)],
  ['softmaxStage', softmaxStage],
  ['detectYolox', detectYolox],
  ['detectYolov8', detectYolov8],
  ['detectSsd', detectSsd],
  ['segment', segment],
]
const functions: [string, Apply][] = [
  ['classify', (value, _, options) => classify(value, 5, options)],
  ['softmax', (value, _, options) => softmax(value, options)],
  ['decodeYolox', decodeYolox],
  ['decodeYolov8', decodeYolov8],
  ['decodeSegmentation', decodeSegmentation],
]

describe('what is no tensor', () => {
  it.each([...functions, ['sigmoid', sigmoid] as [string, Apply]])('is refused by %s', (_, apply) => {
    for (const [value] of odd) expect(() => apply(value as never, [] as never)).toThrow(code('INVALID_ARGUMENT'))
  })

  it('is refused by stages with the way to the tensor, where it is all outputs of a run', () => {
    const fetches = { scores: tensor, boxes: tensor }
    for (const stage of [topK(5), topKBatch(5), softmaxStage(), sigmoidStage()]) {
      expect(() => stage.run(fetches as never, request())).toThrow(
        "Expected a Tensor, got the outputs of a run by name: scores, boxes. Pass one of them, fetches['scores'], or put infer(session, { output: 'scores' }) before this stage.",
      )
    }
  })

  it('is refused as outputs of a single-shot detector, where it is one tensor too', () => {
    for (const outputs of [...odd.slice(0, 4).flat(), tensor, { scores: 5 }]) {
      expect(() => decodeSsd(outputs as never, [])).toThrow(code('INVALID_ARGUMENT'))
    }
    expect(() => decodeSsd(Object.create({ scores: tensor, boxes: tensor }), [])).toThrow(code('OUTPUT_UNKNOWN'))
  })
})

describe('what is no list of transforms', () => {
  const transform = { sourceWidth: 1, sourceHeight: 1, targetWidth: 1, targetHeight: 1, scaleX: 1, scaleY: 1 }
  const incomplete = { ...transform, offsetX: 0 } as ImageTransform

  it.each<[string, Apply, Tensor]>([
    ['decodeYolox', decodeYolox, Tensor.zeros('float32', [1, 2, 6])],
    ['decodeYolov8', decodeYolov8, tensor],
    ['decodeSegmentation', decodeSegmentation, Tensor.zeros('float32', [1, 2, 1, 1])],
    [
      'decodeSsd',
      ((boxes: Tensor, ...rest: [never]) => decodeSsd({ scores: boxes, boxes }, ...rest)) as Apply,
      Tensor.zeros('float32', [1, 2, 4]),
    ],
  ])('is refused by %s', (_, apply, value) => {
    for (const transforms of [null, undefined, {}, [null], [incomplete]]) {
      expect(() => apply(value as never, transforms as never)).toThrow(code('INVALID_ARGUMENT'))
    }
  })

  it('is refused by stages that run outside a request', () => {
    for (const stage of [detectYolox(), detectYolov8(), segment()]) {
      for (const context of [undefined, null, {}]) {
        expect(() => stage.run(tensor, context as never)).toThrow(code('INVALID_ARGUMENT'))
      }
    }
  })
})

describe('options', () => {
  it.each(stages)(
    'of %s are refused when it is made: none at all, unknown ones, and those of the wrong type',
    (_, make) => {
      for (const options of [null, 5, { labls: [] }, { scoreThreshold: Symbol('high'), axis: 0.5, softmax: 'yes' }]) {
        expect(() => make(options as never)).toThrow(code('CONFIG_INVALID'))
      }
    },
  )

  it.each(functions)('of %s are refused', (_, apply) => {
    for (const options of [null, { labls: [] }]) {
      expect(() => apply(tensor as never, [] as never, options as never)).toThrow(code('CONFIG_INVALID'))
    }
  })

  it.each<[string, unknown]>([
    ['strides', null],
    ['strides', []],
    ['strides', [8, Symbol('16')]],
    ['iouThreshold', Symbol('high')],
    ['scoreThreshold', 1.5],
    ['maxDetections', 0],
    ['classAgnostic', 'yes'],
    ['labels', 'cat'],
    ['labels', [1]],
  ])('%s of a detection cannot be %o', (name, value) => {
    expect(() => detectYolox({ [name]: value })).toThrow(code('CONFIG_INVALID'))
  })

  it.each<[string, unknown]>([
    ['scores', 5],
    ['boxes', Symbol('boxes')],
    ['backgroundClass', Symbol('none')],
    ['priors', null],
    ['priors', { boxes: null }],
    ['priors', { boxes: new Float32Array(4), variances: [0.1] }],
  ])('%s of a single-shot detector cannot be %o', (name, value) => {
    expect(() => detectSsd({ [name]: value })).toThrow(code('CONFIG_INVALID'))
  })

  it('that are undefined take their defaults', () => {
    expect(() => detectYolox({ strides: undefined, labels: undefined } as never)).not.toThrow()
    expect(softmax(tensor, { axis: undefined } as never)).toEqual(softmax(tensor))
  })
})

describe('numbers', () => {
  it('are what nms and topKIndices read', () => {
    const none = new Float32Array(0)
    for (const [value] of odd.slice(0, 5)) {
      expect(() => nms(value as never, none, none)).toThrow(code('INVALID_ARGUMENT'))
      expect(() => nms(none, value as never, none)).toThrow(code('INVALID_ARGUMENT'))
      expect(() => nms(none, none, value as never)).toThrow(code('INVALID_ARGUMENT'))
      expect(() => topKIndices(value as never, 1)).toThrow(code('INVALID_ARGUMENT'))
    }
    expect(() => nms(none, none, none, null as never)).toThrow(code('CONFIG_INVALID'))
  })

  it('are shown as what they are where they are none', () => {
    for (const make of [
      () => topK({ k: 5 } as never),
      () => classify(tensor, { k: 5 } as never),
      () => topKIndices([], { k: 5 } as never),
    ]) {
      expect(make).toThrow('as k, got { k: 5 }')
    }
    expect(() => ssdPriors({ w: 5 } as never, 5, [])).toThrow('as width, got { w: 5 }')
  })

  it.each([
    [null],
    [[null]],
    [[{ stride: 8 }]],
    [[{ stride: 8, sizes: [Symbol('8')] }]],
    [[{ stride: null, sizes: [1] }]],
  ])('make levels of priors, unlike %o', (levels) => {
    expect(() => ssdPriors(16, 16, levels as never)).toThrow(code('CONFIG_INVALID'))
  })
})
