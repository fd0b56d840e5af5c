import { ConfigError } from '@lowlat/core'
import { type CudaDriver, type DeviceProperties, openDriver } from '@lowlat/cuda-driver'

/** The driver, and one of its devices. @throws BackendError BACKEND_UNAVAILABLE; ConfigError CONFIG_INVALID. */
export function deviceAt(ordinal: number): { readonly driver: CudaDriver; readonly device: DeviceProperties } {
  const driver = openDriver()
  const devices = driver.devices()
  const device = devices[ordinal]
  if (device) return { driver, device }
  throw new ConfigError('CONFIG_INVALID', {
    message: `Expected a device below ${devices.length}, got ${ordinal}.`,
    remedy: 'Choose another device, or check CUDA_VISIBLE_DEVICES.',
    expected: devices.map(({ name }) => name),
    received: ordinal,
  })
}
