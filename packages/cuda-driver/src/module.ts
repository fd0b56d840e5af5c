import type { CudaContext } from './context.ts'
import { NativeObject } from './native-object.ts'
import type { CudaStream } from './stream.ts'

// CUfunction_attribute
const LOCAL_SIZE_BYTES = 3
const REGISTERS = 4
const MAX_DYNAMIC_SHARED_SIZE_BYTES = 8

/** Kernels that were loaded from one image. */
export class CudaModule extends NativeObject {
  readonly #kernels = new Map<string, Kernel>()

  /** @throws BackendError. */
  constructor(context: CudaContext, image: Uint8Array) {
    super(context, 'module', 'cuModuleUnload', context.out64('cuModuleLoadData', image))
  }

  /** The function of that name, looked up once. @throws BackendError RUN_FAILED when there is none. */
  kernel(name: string): Kernel {
    let kernel = this.#kernels.get(name)
    if (!kernel) {
      kernel = new Kernel(this, name)
      this.#kernels.set(name, kernel)
    }
    return kernel
  }
}

export interface LaunchOptions {
  /** Blocks. */
  readonly grid: readonly [x: number, y: number, z: number]
  /** Threads of each block; blocks are one-dimensional. */
  readonly threads: number
  /** Dynamic shared memory of each block. */
  readonly sharedBytes: number
  readonly stream: CudaStream
  /** The kernel's parameters, packed as C packs them. Copied during the call. */
  readonly parameters: Uint8Array
}

/** Shared memory that a block gets without asking. */
const DEFAULT_SHARED_BYTES = 48 * 1024
/** The most that a kernel's parameters take (the reference: 32,764 bytes since CUDA 12.1). */
const MAX_PARAMETER_BYTES = 32_764

/** A function on the device. Belongs to its module. */
export class Kernel {
  readonly name: string
  readonly #context: CudaContext
  readonly #module: CudaModule
  readonly #handle: number
  #maxSharedBytes = DEFAULT_SHARED_BYTES
  #loaded = false

  /** @throws BackendError. */
  constructor(module: CudaModule, name: string) {
    const { context } = module
    this.name = name
    this.#context = context
    this.#module = module
    const slot = new BigUint64Array(1)
    const zeroTerminated = new TextEncoder().encode(`${name}\0`)
    const result = context.try('cuModuleGetFunction', slot, module.handle, zeroTerminated)
    context.check('cuModuleGetFunction', result, `for the kernel '${name}'`)
    this.#handle = Number(slot[0])
  }

  /** Registers of each thread. */
  get registers(): number {
    return this.#context.out32('cuFuncGetAttribute', REGISTERS, this.#handle)
  }

  /** Local memory of each thread: what did not fit into registers. */
  get localBytes(): number {
    return this.#context.out32('cuFuncGetAttribute', LOCAL_SIZE_BYTES, this.#handle)
  }

  /** How many blocks a multiprocessor holds at once. */
  activeBlocks(threads: number, sharedBytes: number): number {
    this.#allowShared(sharedBytes)
    return this.#context.out32('cuOccupancyMaxActiveBlocksPerMultiprocessor', this.#handle, threads, sharedBytes)
  }

  /**
   * Loads its code, which the driver puts off until it is needed, and asks for shared memory. Neither is for a stream that
   * is being captured. @throws BackendError.
   */
  prepare(sharedBytes: number): void {
    this.#allowShared(sharedBytes)
    // Asking for attributes loads the code (NVIDIA's guide on lazy loading).
    if (!this.#loaded) void this.registers
    this.#loaded = true
  }

  /** Starts it on a stream. @throws BackendError when it cannot be started; what goes wrong later, the stream reports. */
  launch({ grid, threads, sharedBytes, stream, parameters }: LaunchOptions): void {
    void this.#module.handle // of a module that was unloaded, the driver would not know
    this.#allowShared(sharedBytes)
    const extra = packed(this.#context, parameters)
    const result = this.#context.try(
      'cuLaunchKernel',
      this.#handle,
      grid[0],
      grid[1],
      grid[2],
      threads,
      1,
      1,
      sharedBytes,
      stream.handle,
      null,
      extra,
    )
    if (result === 0) return
    const shape = `with grid [${grid.join(', ')}], ${threads} threads, ${sharedBytes} bytes shared`
    this.#context.check('cuLaunchKernel', result, `of the kernel '${this.name}' ${shape}`)
  }

  /** More than 48 KB of shared memory have to be asked for, once per kernel. */
  #allowShared(sharedBytes: number): void {
    if (sharedBytes <= this.#maxSharedBytes) return
    this.#context.call('cuFuncSetAttribute', this.#handle, MAX_DYNAMIC_SHARED_SIZE_BYTES, sharedBytes)
    this.#maxSharedBytes = sharedBytes
  }
}

/** Memory of its own, so that its address stays: what it holds is copied by the call that it is passed to. */
interface ParameterBlock {
  readonly bytes: Uint8Array
  readonly sizes: BigUint64Array
  readonly extra: BigUint64Array
}

let block: ParameterBlock | undefined

// Of cuLaunchKernel's `extra`: CU_LAUNCH_PARAM_BUFFER_POINTER, CU_LAUNCH_PARAM_BUFFER_SIZE, CU_LAUNCH_PARAM_END.
const BUFFER_POINTER = 1n
const BUFFER_SIZE = 2n
const END = 0n

function packed({ library }: CudaContext, parameters: Uint8Array): BigUint64Array {
  if (parameters.byteLength > MAX_PARAMETER_BYTES) {
    throw new RangeError(
      `Kernels take at most ${MAX_PARAMETER_BYTES} bytes of parameters, got ${parameters.byteLength}.`,
    )
  }
  if (!block) {
    const bytes = new Uint8Array(new ArrayBuffer(MAX_PARAMETER_BYTES))
    const sizes = new BigUint64Array(new ArrayBuffer(8))
    const extra = new BigUint64Array(new ArrayBuffer(40))
    extra.set([BUFFER_POINTER, BigInt(library.addressOf(bytes)), BUFFER_SIZE, BigInt(library.addressOf(sizes)), END])
    block = { bytes, sizes, extra }
  }
  block.bytes.set(parameters)
  block.sizes[0] = BigInt(parameters.byteLength)
  return block.extra
}
