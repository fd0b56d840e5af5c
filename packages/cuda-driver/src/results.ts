import { BackendError, type ErrorCode } from '@lowlat/core'

/** Results of the driver API that something here depends on; numbers from NVIDIA's reference of CUresult. */
export const cuResult = {
  success: 0,
  outOfMemory: 2,
  deinitialized: 4,
  stubLibrary: 34,
  noDevice: 100,
  noBinaryForGpu: 209,
  unsupportedPtxVersion: 222,
  invalidContext: 201,
  invalidHandle: 400,
  notReady: 600,
  contextIsDestroyed: 709,
  launchFailed: 719,
  systemDriverMismatch: 803,
  graphUpdateFailure: 910,
} as const

/**
 * Results after which every further call in the process fails alike: the reference says of each that the process has to
 * be ended to go on using CUDA.
 */
const lost: ReadonlySet<number> = new Set([
  214, // ECC_UNCORRECTABLE
  220, // NVLINK_UNCORRECTABLE
  226, // CONTAINED
  700, // ILLEGAL_ADDRESS
  702, // LAUNCH_TIMEOUT
  709, // CONTEXT_IS_DESTROYED
  710, // ASSERT
  714, // HARDWARE_STACK_ERROR
  715, // ILLEGAL_INSTRUCTION
  716, // MISALIGNED_ADDRESS
  717, // INVALID_ADDRESS_SPACE
  718, // INVALID_PC
  719, // LAUNCH_FAILED
  721, // TENSOR_MEMORY_LEAK
])

/** Results that say that there is no usable GPU or driver at all. */
const unavailable: ReadonlySet<number> = new Set([
  3, // NOT_INITIALIZED
  34, // STUB_LIBRARY
  36, // CALL_REQUIRES_NEWER_DRIVER
  46, // DEVICE_UNAVAILABLE
  100, // NO_DEVICE
  101, // INVALID_DEVICE
  102, // DEVICE_NOT_LICENSED
  209, // NO_BINARY_FOR_GPU
  222, // UNSUPPORTED_PTX_VERSION
  802, // SYSTEM_NOT_READY
  803, // SYSTEM_DRIVER_MISMATCH
  804, // COMPAT_NOT_SUPPORTED_ON_DEVICE
])

export const isLost = (result: number): boolean => lost.has(result)

interface FailedCall {
  /** The driver's function: 'cuLaunchKernel'. */
  readonly call: string
  readonly result: number
  /** 'CUDA_ERROR_INVALID_VALUE'. */
  readonly name: string
  /** The driver's own words. */
  readonly text: string
  /** What it was about, for people: "of the kernel 'gemm_f16'". */
  readonly about?: string | undefined
  /** What another library threw for it. */
  readonly cause?: unknown
}

/** What a failed call means, as an error with OUT_OF_MEMORY, DEVICE_LOST, BACKEND_UNAVAILABLE or RUN_FAILED. */
export function errorFromCall({ call, result, name, text, about, cause }: FailedCall): BackendError {
  const code = codeOf(result)
  const said = text === '' ? '' : `: ${text}`
  return new BackendError(code, {
    message: `The CUDA driver's ${call}${about === undefined ? '' : ` ${about}`} failed with ${name} (${result})${said}.`,
    remedy: remedies[code],
    received: result,
    details: { call, result, name },
    cause,
  })
}

function codeOf(result: number): keyof typeof remedies {
  if (result === cuResult.outOfMemory) return 'OUT_OF_MEMORY'
  if (lost.has(result)) return 'DEVICE_LOST'
  return unavailable.has(result) ? 'BACKEND_UNAVAILABLE' : 'RUN_FAILED'
}

const remedies = {
  OUT_OF_MEMORY:
    'Use smaller batches or shapes, fewer contexts or engines, or a GPU with more free memory (nvidia-smi shows who holds it).',
  DEVICE_LOST: 'CUDA cannot be used again in this process: start it anew, and report what was run.',
  BACKEND_UNAVAILABLE: 'Check the driver and the GPU with nvidia-smi.',
  RUN_FAILED: 'Report it with what was run; other requests are not affected.',
} as const satisfies Partial<Record<ErrorCode, string>>
