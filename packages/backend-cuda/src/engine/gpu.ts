import { BackendError } from '@lowlat/core'
import {
  acquire,
  type CudaContext,
  type CudaDriver,
  type CudaModule,
  type DeviceProperties,
  disposeAfter,
  openDriver,
} from '@lowlat/cuda-driver'
import { type KernelImage, kernelImage } from '../kernel-image.ts'
import type { PlanFacts } from '../plan/header.ts'
import type { DeviceFacts } from '../program/constants.ts'

/** What the kernels are compiled with; older drivers do not take their code. */
export const MINIMUM_DRIVER = 13_000
/** Oldest GPUs that the kernels are compiled for. */
export const MINIMUM_COMPUTE_CAPABILITY = 75

/**
 * A device with the kernels loaded, shared by all engines in this process that use it. Each user disposes it once; the
 * last one unloads the kernels and lets go of the device.
 */
export interface Gpu extends Disposable {
  readonly properties: DeviceProperties
  readonly context: CudaContext
  readonly module: CudaModule
}

interface Shared extends Omit<Gpu, typeof Symbol.dispose> {
  users: number
}

const inUse = new Map<string, Shared>()

/** @throws BackendError; ConfigError CONFIG_INVALID for a device that there is not. */
export function acquireGpu(ordinal: number): Gpu {
  const driver = openDriver({ minimumVersion: MINIMUM_DRIVER })
  const image = kernelImage()
  const key = `${driver.path} ${ordinal} ${image.hash}`
  let shared = inUse.get(key)
  // A device that was lost stays lost for those who use it; who comes now tries anew.
  if (!shared || shared.context.lost) {
    shared = openGpu(driver, ordinal, image)
    inUse.set(key, shared)
  }
  shared.users++
  const own = shared
  let released = false
  return {
    properties: own.properties,
    context: own.context,
    module: own.module,
    [Symbol.dispose]() {
      if (released) return
      released = true
      own.users--
      if (own.users > 0) return
      if (inUse.get(key) === own) inUse.delete(key)
      try {
        own.module.dispose()
      } catch (error) {
        disposeAfter(error, own.context)
        throw error
      }
      own.context.dispose()
    },
  }
}

function openGpu(driver: CudaDriver, ordinal: number, image: KernelImage): Shared {
  const properties = deviceAt(driver, ordinal)
  return acquire((resources) => {
    const context = resources.own(driver.createContext(properties))
    return { properties, context, module: context.loadModule(image.bytes), users: 0 }
  })
}

function deviceAt(driver: CudaDriver, ordinal: number): DeviceProperties {
  const properties = driver.device(ordinal)
  if (properties.computeCapability < MINIMUM_COMPUTE_CAPABILITY) throw tooOld(properties)
  return properties
}

function tooOld({ name, computeCapability }: DeviceProperties): BackendError {
  return new BackendError('BACKEND_UNAVAILABLE', {
    message: `Expected a GPU of compute capability 7.5 or newer, got ${name} with ${computeCapability / 10}.`,
    remedy: "Use another device, or the backend 'cpu'.",
    expected: MINIMUM_COMPUTE_CAPABILITY,
    received: computeCapability,
  })
}

/** What plans for a device depend on, without touching it. @throws as {@link acquireGpu}. */
export function planFacts(ordinal: number, tf32: boolean): PlanFacts {
  const properties = deviceAt(openDriver({ minimumVersion: MINIMUM_DRIVER }), ordinal)
  return { kernels: kernelImage().hash, device: deviceFacts(properties), tf32 }
}

export function deviceFacts(properties: DeviceProperties): DeviceFacts {
  const { computeCapability, multiprocessors, sharedBytesPerBlock, l2Bytes } = properties
  return { computeCapability, multiprocessors, sharedBytesPerBlock, l2Bytes }
}
