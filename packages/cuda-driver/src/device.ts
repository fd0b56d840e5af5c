import type { CudaLibrary } from './library.ts'

// CUdevice_attribute
const CLOCK_RATE = 13
const MULTIPROCESSOR_COUNT = 16
const L2_CACHE_SIZE = 38
const COMPUTE_CAPABILITY_MAJOR = 75
const COMPUTE_CAPABILITY_MINOR = 76
const MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97

export interface DeviceProperties {
  /** Number of the device, from 0; CUDA_VISIBLE_DEVICES chooses which there are. */
  readonly ordinal: number
  readonly name: string
  /** 75 for 7.5, 90 for 9.0. */
  readonly computeCapability: number
  readonly multiprocessors: number
  readonly memoryBytes: number
  readonly l2Bytes: number
  /** Largest dynamic shared memory of a block, after opting in. */
  readonly sharedBytesPerBlock: number
  readonly clockMhz: number
  /** The same in every process and across restarts: 'GPU-...'. */
  readonly uuid: string
}

/** @throws BackendError. */
export function readDevice(library: CudaLibrary, ordinal: number): DeviceProperties {
  const device = library.out32('cuDeviceGet', ordinal)
  const attribute = (number: number) => library.out32('cuDeviceGetAttribute', number, device)
  const name = new Uint8Array(256)
  library.call('cuDeviceGetName', name, name.byteLength, device)
  const uuid = new Uint8Array(16)
  library.call('cuDeviceGetUuid_v2', uuid, device)
  return {
    ordinal: device,
    name: Buffer.from(name.subarray(0, name.indexOf(0))).toString('utf8'),
    computeCapability: attribute(COMPUTE_CAPABILITY_MAJOR) * 10 + attribute(COMPUTE_CAPABILITY_MINOR),
    multiprocessors: attribute(MULTIPROCESSOR_COUNT),
    memoryBytes: library.out64('cuDeviceTotalMem_v2', device),
    l2Bytes: attribute(L2_CACHE_SIZE),
    sharedBytesPerBlock: attribute(MAX_SHARED_MEMORY_PER_BLOCK_OPTIN),
    clockMhz: attribute(CLOCK_RATE) / 1000,
    uuid: formatUuid(uuid),
  }
}

/** As nvidia-smi writes it. */
export function formatUuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex')
  return `GPU-${[hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')}`
}
