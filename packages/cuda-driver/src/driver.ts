import { BackendError, ConfigError } from '@lowlat/core'
import { CudaContext } from './context.ts'
import { type DeviceProperties, readDevice } from './device.ts'
import { libraryKnob } from './knobs.ts'
import { CudaLibrary } from './library.ts'

export interface DriverOptions {
  /** Name or path of the driver library. Default: the knob LOWLAT_CUDA_DRIVER_LIB. */
  readonly library?: string | undefined
  /** The oldest driver that will do, as {@link CudaDriver.version}. */
  readonly minimumVersion?: number | undefined
}

/** NVIDIA's driver, initialised. */
export class CudaDriver {
  /** The newest CUDA version that the driver supports: 13000 for 13.0. */
  readonly version: number
  readonly #library: CudaLibrary

  /** @throws BackendError BACKEND_UNAVAILABLE, as {@link openDriver}. */
  constructor(path: string, minimumVersion: number) {
    this.#library = new CudaLibrary(path)
    this.#library.call('cuInit', 0)
    this.version = this.#library.out32('cuDriverGetVersion')
    if (this.version < minimumVersion) throw tooOld(this.version, minimumVersion)
  }

  /** Where the library was loaded from. */
  get path(): string {
    return this.#library.path
  }

  /** The devices of the machine, in the driver's order. */
  devices(): DeviceProperties[] {
    return Array.from({ length: this.#library.out32('cuDeviceGetCount') }, (_, ordinal) =>
      readDevice(this.#library, ordinal),
    )
  }

  /** One of {@link devices}, by its number. @throws ConfigError CONFIG_INVALID where there is none. */
  device(ordinal: number): DeviceProperties {
    const devices = this.devices()
    const device = devices[ordinal]
    if (device) return device
    throw new ConfigError('CONFIG_INVALID', {
      message: `Expected a device below ${devices.length}, got ${ordinal}.`,
      remedy: 'Choose another device, or check CUDA_VISIBLE_DEVICES.',
      expected: devices.map(({ name }) => name),
      received: ordinal,
    })
  }

  /** Retains the primary context of a device. @throws BackendError. */
  createContext(device: DeviceProperties): CudaContext {
    return new CudaContext(this.#library, device)
  }
}

const opened = new Map<string, CudaDriver>()

/**
 * Loads and initialises the driver, once per library.
 * @throws BackendError BACKEND_UNAVAILABLE: no library, no usable GPU, or a driver that is too old.
 */
export function openDriver({ library, minimumVersion = 0 }: DriverOptions = {}): CudaDriver {
  const path = library ?? libraryKnob.read()
  let driver = opened.get(path)
  if (!driver) {
    driver = new CudaDriver(path, minimumVersion)
    opened.set(path, driver)
  }
  if (driver.version < minimumVersion) throw tooOld(driver.version, minimumVersion)
  return driver
}

const dotted = (version: number) => `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`

function tooOld(version: number, minimumVersion: number): BackendError {
  return new BackendError('BACKEND_UNAVAILABLE', {
    message: `Expected a driver for CUDA ${dotted(minimumVersion)} or newer, got one for CUDA ${dotted(version)}.`,
    remedy: "Install a newer NVIDIA driver; the machine's other software goes on working with it.",
    expected: minimumVersion,
    received: version,
  })
}
