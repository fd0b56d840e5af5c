import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import koffi, { type LibraryHandle } from 'koffi'
import { packageFolder } from '../package-folder.ts'
import { buildSimulator } from './build.ts'
import { simulatorUnavailable } from './compiler.ts'
import { SimulatorControl } from './control.ts'
import { testsOnGpu } from './hardware.ts'
import { isSanitized } from './sanitized.ts'

/** Why tests of the simulator are skipped; undefined where they run. */
export const skipReason = testsOnGpu() ? 'tests the simulator, not a GPU' : simulatorUnavailable()

/** CUresult values that tests here expect. */
export const cu = {
  success: 0,
  invalidValue: 1,
  outOfMemory: 2,
  notInitialized: 3,
  deinitialized: 4,
  noDevice: 100,
  invalidImage: 200,
  invalidContext: 201,
  invalidHandle: 400,
  illegalState: 401,
  notFound: 500,
  notReady: 600,
  illegalAddress: 700,
  contextIsDestroyed: 709,
  illegalInstruction: 715,
  misalignedAddress: 716,
  launchFailed: 719,
  notPermitted: 800,
  captureUnsupported: 900,
  captureInvalidated: 901,
  captureMerge: 902,
  captureUnmatched: 903,
  captureUnjoined: 904,
  captureIsolation: 905,
  captureImplicit: 906,
  capturedEvent: 907,
  graphExecUpdateFailure: 910,
} as const

type Argument = number | bigint | ArrayBufferView | string | null

const [p, h, i, u, z] = ['void *', 'uint64', 'int', 'uint', 'size_t']
/** Parameters of the calls; handles and addresses are numbers. */
const signatures: Readonly<Record<string, readonly string[]>> = {
  cuInit: [u],
  cuDriverGetVersion: [p],
  cuGetErrorName: [i, p],
  cuDeviceGetCount: [p],
  cuDeviceGet: [p, i],
  cuDeviceGetName: [p, i, i],
  cuDeviceGetAttribute: [p, i, i],
  cuDeviceTotalMem_v2: [p, i],
  cuDevicePrimaryCtxRetain: [p, i],
  cuDevicePrimaryCtxRelease_v2: [i],
  cuCtxSetCurrent: [h],
  cuCtxGetCurrent: [p],
  cuCtxSynchronize: [],
  cuMemGetInfo_v2: [p, p],
  cuMemAlloc_v2: [p, z],
  cuMemFree_v2: [h],
  cuMemHostAlloc: [p, z, u],
  cuMemFreeHost: [h],
  cuMemHostGetDevicePointer_v2: [p, h, u],
  cuPointerGetAttribute: [p, i, h],
  cuMemGetAddressRange_v2: [p, p, h],
  cuMemcpyHtoDAsync_v2: [h, h, z, h],
  cuMemcpyDtoHAsync_v2: [h, h, z, h],
  cuMemcpyDtoDAsync_v2: [h, h, z, h],
  cuMemcpyHtoD_v2: [h, p, z],
  cuMemcpyDtoH_v2: [p, h, z],
  cuMemsetD8Async: [h, 'uchar', z, h],
  cuStreamWriteValue32_v2: [h, h, u, u],
  cuStreamCreate: [p, u],
  cuStreamCreateWithPriority: [p, u, i],
  cuStreamDestroy_v2: [h],
  cuStreamSynchronize: [h],
  cuStreamQuery: [h],
  cuStreamWaitEvent: [h, h, u],
  cuStreamBeginCapture_v2: [h, i],
  cuStreamEndCapture: [h, p],
  cuStreamIsCapturing: [h, p],
  cuStreamGetCaptureInfo_v2: [h, p, p, p, p, p],
  cuThreadExchangeStreamCaptureMode: [p],
  cuLaunchHostFunc: [h, h, h],
  cuEventCreate: [p, u],
  cuEventDestroy_v2: [h],
  cuEventRecord: [h, h],
  cuEventQuery: [h],
  cuEventSynchronize: [h],
  cuEventElapsedTime: [p, h, h],
  cuModuleLoadData: [p, p],
  cuModuleUnload: [h],
  cuModuleGetFunction: [p, h, 'str'],
  cuFuncGetAttribute: [p, i, h],
  cuFuncSetAttribute: [h, i, i],
  cuLaunchKernel: [h, u, u, u, u, u, u, u, h, p, p],
  cuLaunchKernelEx: [p, h, p, p],
  cuOccupancyMaxActiveBlocksPerMultiprocessor: [p, h, i, z],
  cuGraphInstantiateWithFlags: [p, h, 'uint64'],
  cuGraphLaunch: [h, h],
  cuGraphExecDestroy: [h],
  cuGraphDestroy: [h],
  cuGraphGetNodes: [h, p, p],
  cuGraphExecUpdate_v2: [h, h, p],
  cuGraphUpload: [h, h],
}

interface KernelCall {
  readonly kernel: string
  readonly grid?: readonly [number, number, number]
  readonly threads?: number
  readonly sharedBytes?: number
  /** Packed in order: numbers are addresses, bigints int64. */
  readonly parameters: readonly (number | bigint | { int32: number })[]
  readonly stream?: number
  /** Launched so that it may start before the kernel ahead has ended. */
  readonly programmatic?: boolean
}

/** The simulated driver, called directly, with the fixtures as kernels. */
export class Harness {
  readonly control: SimulatorControl
  readonly #functions = new Map<string, ReturnType<LibraryHandle['func']>>()
  readonly #image: Uint8Array
  #module = 0

  /** Builds the simulator and the fixtures of these names. */
  static async build(...fixtures: string[]): Promise<Harness> {
    const kernels = fixtures.map((name) => join(packageFolder, `cuda-sim/fixtures/${name}.cu`))
    const { driverPath, imagePath } = await buildSimulator({ kernels, sanitize: isSanitized() })
    return new Harness(driverPath, readFileSync(imagePath))
  }

  constructor(driverPath: string, image: Uint8Array) {
    this.control = new SimulatorControl(driverPath)
    this.#image = image
    const library = koffi.load(driverPath)
    for (const [name, parameters] of Object.entries(signatures)) {
      this.#functions.set(name, library.func(name, 'int', [...parameters]))
    }
  }

  /** As a fresh process, with the context current and the module loaded. */
  start(): void {
    this.control.reset()
    this.check('cuInit', 0)
    this.check('cuCtxSetCurrent', this.out('cuDevicePrimaryCtxRetain', 0))
    this.#module = this.out('cuModuleLoadData', this.#image)
    this.control.resetCalls()
  }

  get image(): Uint8Array {
    return this.#image
  }

  get module(): number {
    return this.#module
  }

  /** The CUresult of a call. */
  call(name: string, ...args: Argument[]): number {
    return this.#functions.get(name)!(...args) as number
  }

  /** A call that must succeed. */
  check(name: string, ...args: Argument[]): void {
    const result = this.call(name, ...args)
    if (result !== 0) throw new Error(`${name} gave ${result}: ${this.control.message}`)
  }

  /** A call in another thread. */
  inThread(name: string, ...args: Argument[]): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#functions.get(name)!.async(...args, (error: unknown, result: number) => {
        if (error) reject(error)
        else resolve(result)
      })
    })
  }

  /** What a call that must succeed writes to its first parameter. */
  out(name: string, ...rest: Argument[]): number {
    const slot = new BigUint64Array(1)
    this.check(name, slot, ...rest)
    return Number(slot[0])
  }

  /** Device memory that holds a copy of these elements. */
  upload(array: ArrayBufferView): number {
    const address = this.out('cuMemAlloc_v2', array.byteLength)
    this.check('cuMemcpyHtoD_v2', address, array, array.byteLength)
    return address
  }

  /** Fills the array from device memory, after all work of blocking streams. */
  download<T extends ArrayBufferView>(address: number, array: T): T {
    this.check('cuMemcpyDtoH_v2', array, address, array.byteLength)
    return array
  }

  function(name: string): number {
    return this.out('cuModuleGetFunction', this.#module, name)
  }

  /** The CUresult of starting a kernel. */
  launch({ kernel, grid = [1, 1, 1], threads = 32, sharedBytes = 0, stream = 0, ...rest }: KernelCall): number {
    const packed = pack(rest.parameters)
    const sizes = BigUint64Array.of(BigInt(packed.byteLength))
    const extra = BigUint64Array.of(1n, addressOf(packed), 2n, addressOf(sizes), 0n)
    const shape = [...grid, threads, 1, 1, sharedBytes]
    const handle = this.function(kernel)
    if (!rest.programmatic) return this.call('cuLaunchKernel', handle, ...shape, stream, null, extra)
    // CUlaunchConfig with one CUlaunchAttribute: PROGRAMMATIC_STREAM_SERIALIZATION
    const attribute = new Int32Array(18)
    attribute.set([6, 0, 1])
    const config = new DataView(new ArrayBuffer(56))
    for (const [i, value] of shape.entries()) config.setUint32(4 * i, value, true)
    config.setBigUint64(32, BigInt(stream), true)
    config.setBigUint64(40, addressOf(attribute), true)
    config.setUint32(48, 1, true)
    return this.call('cuLaunchKernelEx', config, handle, null, extra)
  }

  /** Runs a kernel to its end; the CUresult. */
  run(call: KernelCall): number {
    return this.launch(call) || this.call('cuStreamSynchronize', call.stream ?? 0)
  }
}

export const addressOf = (array: ArrayBufferView): bigint => BigInt(koffi.address(array))

function pack(parameters: KernelCall['parameters']): Uint8Array {
  const view = new DataView(new ArrayBuffer(256))
  let offset = 0
  let alignment = 4
  for (const value of parameters) {
    if (typeof value === 'object') {
      view.setInt32(offset, value.int32, true)
      offset += 4
      continue
    }
    alignment = 8
    offset = Math.ceil(offset / 8) * 8
    view.setBigInt64(offset, BigInt(value), true)
    offset += 8
  }
  return new Uint8Array(view.buffer.slice(0, Math.ceil(offset / alignment) * alignment))
}
