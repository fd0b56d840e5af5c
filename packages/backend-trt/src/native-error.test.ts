import { LowlatError, ModelError } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import { errorFromNative } from './native-error.ts'
import { nativeError } from './testing/fake-native.ts'

const convert = (code: string, fields: object = {}) => errorFromNative(nativeError(code, fields)) as LowlatError
const log = [
  { severity: 'error', message: 'first' },
  { severity: 'error', message: 'No implementation for node conv1.' },
  { severity: 'warning', message: 'and a warning' },
]

describe('what the addon throws', () => {
  it.each([
    [
      'LIBRARY_MISSING',
      'BACKEND_UNAVAILABLE',
      { library: 'nvinfer', tried: ['libnvinfer.so.11'], reason: 'no such file' },
      /libnvinfer.so.11.*no such file/,
    ],
    ['LIBRARY_MISSING', 'BACKEND_UNAVAILABLE', { library: 'nvonnxparser', tried: ['a'] }, /LOWLAT_NVONNXPARSER_LIB/],
    ['LIBRARY_MISSING', 'BACKEND_UNAVAILABLE', { library: 'libcuda', tried: ['a'] }, /driver.*LOWLAT_CUDA_DRIVER_LIB/],
    [
      'CUDA_FAILED',
      'DEVICE_LOST',
      { call: 'cuCtxSetCurrent', result: 700 },
      /cuCtxSetCurrent failed.*700.*start it anew/,
    ],
    ['CUDA_FAILED', 'RUN_FAILED', { call: 'cuCtxSetCurrent', result: 201 }, /201/],
    [
      'SYMBOL_MISSING',
      'BACKEND_UNAVAILABLE',
      { library: 'a.so', symbol: 'getInferLibVersion' },
      /'a.so' lacks the function getInferLibVersion/,
    ],
    ['VERSION_UNSUPPORTED', 'BACKEND_UNAVAILABLE', { version: '12.0.0' }, /TensorRT 10 or 11, got 12.0.0/],
    ['BUILD_FAILED', 'MODEL_UNSUPPORTED', { log }, /No implementation for node conv1\. /],
    ['OUT_OF_MEMORY', 'OUT_OF_MEMORY', { call: 'enqueueV3' }, /sharedMemory/],
    ['CANCELLED', 'ABORTED', {}, /cancelled/],
    ['WEIGHTS_UNKNOWN', 'CONFIG_INVALID', { weights: 'w' }, /it has no 'w'/],
    ['FLAG_UNSUPPORTED', 'CONFIG_INVALID', { flag: 'FP16', version: '11.1.0' }, /TensorRT 11.1.0 does not know 'FP16'/],
    ['PROFILE_INVALID', 'PROFILE_INVALID', {}, /min <= opt <= max/],
    ['PLUGIN_FAILED', 'CONFIG_INVALID', { library: 'p.so', log }, /'p.so': No implementation/],
    [
      'CALL_UNAVAILABLE',
      'BACKEND_UNAVAILABLE',
      { call: 'getStreamableWeightsSize', version: '10.0.0', since: '10.1' },
      /which came with 10.1/,
    ],
    [
      'REFUSED',
      'RUN_FAILED',
      { call: 'setInputShape', errors: ['dims out of range.'], log },
      /setInputShape failed: dims out of range\. /,
    ],
    ['DISPOSED', 'DISPOSED', {}, /Keep it/],
  ])('%s is a LowlatError %s', (native, code, fields, message) => {
    const error = convert(native, fields)
    expect(error).toBeInstanceOf(LowlatError)
    expect(error).toMatchObject({ code, message: expect.stringMatching(message), remedy: expect.stringMatching(/\S/) })
  })

  it('keeps every error of the parser, and tells the first', () => {
    const errors = ['a', 'b', 'c', 'd'].map((nodeName) => ({
      nodeName,
      nodeOperator: 'Foo',
      description: 'no importer.',
      code: '',
    }))
    const error = convert('PARSE_FAILED', { errors, log })
    expect(error).toBeInstanceOf(ModelError)
    expect(error).toMatchObject({ code: 'MODEL_UNSUPPORTED', details: { errors, log } })
    expect(error.message).toMatch(/node 'a' \(Foo\): no importer; .* and 1 more/)
  })

  it('leaves anything else alone', () => {
    const other = new TypeError('a mistake')
    expect(errorFromNative(other)).toBe(other)
    expect(errorFromNative(nativeError('NO_SUCH_CODE'))).not.toBeInstanceOf(LowlatError)
  })
})
