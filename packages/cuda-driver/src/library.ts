import { createRequire } from 'node:module'
import { BackendError, messageOf } from '@lowlat/core'
import type { LibraryHandle } from 'koffi'
import { errorFromCall } from './results.ts'

type Koffi = typeof import('koffi')
type KoffiCall = ReturnType<LibraryHandle['func']>

/*
 * The calls of the driver API that are used, with the types of their parameters; each returns a CUresult. Names and types
 * are those of NVIDIA's reference, with the version suffix that the library exports. Handles and device pointers are
 * 64-bit integers: user space lies below 2^47, so that JavaScript's numbers hold them.
 */
const handle = 'uint64'
const device = 'int'
const pointer = 'void *'
const size = 'size_t'

const signatures = {
  cuInit: ['uint'],
  cuDriverGetVersion: [pointer],
  cuGetErrorName: ['int', pointer],
  cuGetErrorString: ['int', pointer],
  cuDeviceGetCount: [pointer],
  cuDeviceGet: [pointer, 'int'],
  cuDeviceGetName: [pointer, 'int', device],
  cuDeviceGetAttribute: [pointer, 'int', device],
  cuDeviceTotalMem_v2: [pointer, device],
  cuDeviceGetUuid_v2: [pointer, device],
  cuDevicePrimaryCtxRetain: [pointer, device],
  cuDevicePrimaryCtxRelease_v2: [device],
  cuCtxSetCurrent: [handle],
  cuCtxSynchronize: [],
  cuMemGetInfo_v2: [pointer, pointer],
  cuMemAlloc_v2: [pointer, size],
  cuMemFree_v2: [handle],
  cuMemHostAlloc: [pointer, size, 'uint'],
  cuMemFreeHost: [handle],
  cuMemHostGetDevicePointer_v2: [pointer, handle, 'uint'],
  cuMemcpyHtoDAsync_v2: [handle, handle, size, handle],
  cuMemcpyDtoHAsync_v2: [handle, handle, size, handle],
  cuMemcpyDtoDAsync_v2: [handle, handle, size, handle],
  cuMemcpyHtoD_v2: [handle, pointer, size],
  cuMemcpyDtoH_v2: [pointer, handle, size],
  cuMemsetD8Async: [handle, 'uchar', size, handle],
  cuStreamWriteValue32_v2: [handle, handle, 'uint', 'uint'],
  cuStreamCreateWithPriority: [pointer, 'uint', 'int'],
  cuStreamDestroy_v2: [handle],
  cuStreamSynchronize: [handle],
  cuStreamQuery: [handle],
  cuStreamWaitEvent: [handle, handle, 'uint'],
  cuStreamBeginCapture_v2: [handle, 'int'],
  cuStreamEndCapture: [handle, pointer],
  cuEventCreate: [pointer, 'uint'],
  cuEventDestroy_v2: [handle],
  cuEventRecord: [handle, handle],
  cuEventQuery: [handle],
  cuEventSynchronize: [handle],
  cuEventElapsedTime: [pointer, handle, handle],
  cuModuleLoadData: [pointer, pointer],
  cuModuleUnload: [handle],
  cuModuleGetFunction: [pointer, handle, pointer],
  cuFuncGetAttribute: [pointer, 'int', handle],
  cuFuncSetAttribute: [handle, 'int', 'int'],
  cuLaunchKernel: [handle, 'uint', 'uint', 'uint', 'uint', 'uint', 'uint', 'uint', handle, pointer, pointer],
  cuOccupancyMaxActiveBlocksPerMultiprocessor: [pointer, handle, 'int', size],
  cuGraphInstantiateWithFlags: [pointer, handle, 'uint64'],
  cuGraphLaunch: [handle, handle],
  cuGraphExecDestroy: [handle],
  cuGraphDestroy: [handle],
  cuGraphGetNodes: [handle, pointer, pointer],
  cuGraphExecUpdate_v2: [handle, handle, pointer],
  cuGraphUpload: [handle, handle],
} as const

export type CallName = keyof typeof signatures
/** Numbers for integers and handles, typed arrays for pointers to memory. */
export type CallArgument = number | bigint | ArrayBufferView | null

/** For what the driver does in a waiting thread; koffi's default of 128 KiB is not meant for such code. */
const ASYNC_STACK_BYTES = 1 << 20

/** NVIDIA's driver library, with its functions looked up. Loading it starts nothing: that is `cuInit`. */
export class CudaLibrary {
  readonly path: string
  readonly #calls: ReadonlyMap<CallName, KoffiCall>
  readonly #koffi: Koffi
  /** Where calls put what they return; never in use by two calls, since these calls are synchronous. */
  readonly #slots = new BigUint64Array(new ArrayBuffer(32))
  readonly #bytes = new Uint8Array(this.#slots.buffer)
  readonly #view = new DataView(this.#slots.buffer)

  /** @throws BackendError BACKEND_UNAVAILABLE when the library cannot be loaded or lacks functions. */
  constructor(path: string) {
    this.path = path
    this.#koffi = loadKoffi()
    let library: LibraryHandle
    try {
      library = this.#koffi.load(path)
    } catch (cause) {
      throw new BackendError('BACKEND_UNAVAILABLE', {
        message: `NVIDIA's driver library '${path}' cannot be loaded: ${messageOf(cause)}.`,
        remedy: "Install NVIDIA's driver, or name its library in LOWLAT_CUDA_DRIVER_LIB.",
        received: path,
        details: { missing: true },
        cause,
      })
    }
    const calls = new Map<CallName, KoffiCall>()
    const missing: string[] = []
    for (const [name, parameters] of Object.entries(signatures)) {
      try {
        calls.set(name as CallName, library.func(name, 'int', [...parameters]))
      } catch {
        missing.push(name) // reported below, all at once
      }
    }
    if (missing.length > 0) {
      throw new BackendError('BACKEND_UNAVAILABLE', {
        message: `The driver library '${path}' lacks ${missing.join(', ')}: the driver is too old.`,
        remedy: 'Install a newer NVIDIA driver (docs/cuda.md says which).',
        received: missing,
      })
    }
    this.#calls = calls
  }

  /** Calls a function and returns its CUresult. */
  try(name: CallName, ...parameters: CallArgument[]): number {
    return this.#calls.get(name)!(...parameters) as number
  }

  /** Calls a function. @throws BackendError for every result but success. */
  call(name: CallName, ...parameters: CallArgument[]): void {
    const result = this.try(name, ...parameters)
    if (result !== 0) throw this.error(name, result)
  }

  /** Whether the threads of {@link callInThread} have stacks that suffice. */
  get waitsInThreads(): boolean {
    return (this.#koffi.config().async_stack_size ?? 0) >= ASYNC_STACK_BYTES
  }

  /** Calls a function in a thread of koffi's pool; resolves to the CUresult. */
  callInThread(name: CallName, ...parameters: CallArgument[]): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#calls.get(name)!.async(...parameters, (error: unknown, result: number) => {
        if (error) reject(error)
        else resolve(result)
      })
    })
  }

  /** The 64-bit integer that a call writes to its first parameter. */
  out64(name: CallName, ...rest: CallArgument[]): number {
    this.#slots[0] = 0n
    this.call(name, this.#bytes, ...rest)
    return Number(this.#slots[0])
  }

  /** The 32-bit integer that a call writes to its first parameter. */
  out32(name: CallName, ...rest: CallArgument[]): number {
    this.#slots[0] = 0n
    this.call(name, this.#bytes, ...rest)
    return this.#view.getInt32(0, true)
  }

  /** The float that a call writes to its first parameter. */
  outFloat(name: CallName, ...rest: CallArgument[]): number {
    this.#slots[0] = 0n
    this.call(name, this.#bytes, ...rest)
    return this.#view.getFloat32(0, true)
  }

  /** The memory at a host address as an ArrayBuffer, without a copy. @throws where the runtime forbids it (Electron). */
  view(address: number, sizeBytes: number): ArrayBuffer {
    return this.#koffi.view(BigInt(address), sizeBytes)
  }

  /** Where a typed array's memory is; it must have an ArrayBuffer of its own, which does not move. */
  addressOf(array: ArrayBufferView): number {
    return Number(this.#koffi.address(array))
  }

  /** A failed call as an error. */
  error(call: string, result: number, about?: string): BackendError {
    const [name, text] = [this.#words('cuGetErrorName', result), this.#words('cuGetErrorString', result)]
    return errorFromCall({ call, result, name: name ?? 'an unknown error', text: text ?? '', about })
  }

  #words(call: 'cuGetErrorName' | 'cuGetErrorString', result: number): string | undefined {
    this.#slots[0] = 0n
    if (this.try(call, result, this.#bytes) !== 0 || this.#slots[0] === 0n) return undefined
    return this.#koffi.decode.string(this.#slots[0])
  }
}

let loaded: Koffi | undefined

/** Native code is loaded when the first library is opened, not when this module is imported. */
function loadKoffi(): Koffi {
  if (loaded) return loaded
  try {
    loaded = createRequire(import.meta.url)('koffi') as Koffi
  } catch (cause) {
    throw new BackendError('BACKEND_UNAVAILABLE', {
      message: `The package koffi, through which the driver is called, does not load: ${messageOf(cause)}.`,
      remedy: 'Install again, with optional dependencies: npm install koffi',
      cause,
    })
  }
  try {
    loaded.config({ ...loaded.config(), async_stack_size: ASYNC_STACK_BYTES })
  } catch {
    // Somebody else in the process has used koffi already, which fixes its settings: see `waitsInThreads`.
  }
  return loaded
}
