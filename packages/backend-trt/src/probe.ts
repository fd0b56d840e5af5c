import { isLowlatError, messageOf, type Probe, withoutRemedy } from '@lowlat/core'
import { probeDriver } from '@lowlat/cuda-driver'
import type { TensorRt } from './tensorrt/library.ts'

/**
 * Whether there is a GPU, and a TensorRT that this package serves; the first that is missing is the reason. Loads native
 * code only where there is a GPU. Never throws.
 */
export function probeTensorRt(open: () => TensorRt): Probe {
  const found = probeDriver()
  if (!found.available) return found
  const { devices } = found
  try {
    const { version, path } = open()
    return {
      available: true,
      devices: devices.map((device) => ({
        ...device,
        details: { ...device.details, tensorRt: version, library: path },
      })),
    }
  } catch (error) {
    if (isLowlatError(error)) return { available: false, reason: withoutRemedy(error), remedy: error.remedy, devices }
    const remedy = 'Install TensorRT 10 or 11 anew, and report this if it persists.'
    return { available: false, reason: `TensorRT cannot be used: ${messageOf(error)}.`, remedy, devices }
  }
}
