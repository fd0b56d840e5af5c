import { describe, expect, it } from 'vitest'
import { errorFromCall, isLost } from './results.ts'

const failed = (result: number, name: string, about?: string) =>
  errorFromCall({ call: 'cuLaunchKernel', result, name, text: 'the driver says so', about })

describe('a failed call', () => {
  it('is named with its number, its name and the words of the driver', () => {
    const error = failed(1, 'CUDA_ERROR_INVALID_VALUE', "of the kernel 'gemm'")
    expect(error).toMatchObject({
      code: 'RUN_FAILED',
      received: 1,
      details: { call: 'cuLaunchKernel', result: 1, name: 'CUDA_ERROR_INVALID_VALUE' },
    })
    expect(error.message).toContain(
      "cuLaunchKernel of the kernel 'gemm' failed with CUDA_ERROR_INVALID_VALUE (1): the driver says so.",
    )
  })

  it.each([
    [2, 'OUT_OF_MEMORY'],
    [100, 'BACKEND_UNAVAILABLE'],
    [209, 'BACKEND_UNAVAILABLE'],
    [222, 'BACKEND_UNAVAILABLE'],
    [700, 'DEVICE_LOST'],
    [719, 'DEVICE_LOST'],
    [701, 'RUN_FAILED'],
    [999, 'RUN_FAILED'],
  ])('with result %d is %s', (result, code) => {
    expect(failed(result, 'CUDA_ERROR')).toMatchObject({ code })
  })

  it('is final where the context is gone', () => {
    expect([2, 400, 600, 700, 709, 719].map(isLost)).toEqual([false, false, false, true, true, true])
  })
})
