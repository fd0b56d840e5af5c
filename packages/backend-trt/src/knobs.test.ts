import { afterEach, describe, expect, it, vi } from 'vitest'
import { nvinferKnob, onnxParserKnob } from './knobs.ts'

describe("the names of TensorRT's libraries", () => {
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  it.skipIf(process.platform === 'win32')(
    'are the usual ones, newest first, and in a folder where one is named',
    () => {
      vi.stubEnv('LOWLAT_NVINFER_LIB', '')
      vi.stubEnv('LOWLAT_NVONNXPARSER_LIB', '')
      const usual = ['libnvonnxparser.so.11', 'libnvonnxparser.so.10', 'libnvonnxparser.so']
      expect(onnxParserKnob.candidates()).toEqual(usual)
      expect(onnxParserKnob.candidates(nvinferKnob.candidates()[0])).toEqual(usual)
      expect(onnxParserKnob.candidates('/opt/trt/libnvinfer.so.10')).toEqual([
        ...usual.map((name) => `/opt/trt/${name}`),
        ...usual,
      ])
    },
  )

  it('are what the knob says, wherever the others lie', () => {
    vi.stubEnv('LOWLAT_NVONNXPARSER_LIB', 'mine.so')
    expect(onnxParserKnob.candidates('/opt/trt/libnvinfer.so.10')).toEqual(['mine.so'])
  })
})
