import { type Backend, type BackendInput, isLowlatError, ModelError, type Plan, type Probe } from '@lowlat/core'
import { openDriver, probeDriver } from '@lowlat/cuda-driver'
import { compileModel } from './compile.ts'
import { CudaEngine } from './engine/engine.ts'
import { MINIMUM_COMPUTE_CAPABILITY, MINIMUM_DRIVER, planFacts } from './engine/gpu.ts'
import { HostBackend } from './engine/host-steps.ts'
import { kernelImage } from './kernel-image.ts'
import { parseCudaOptions } from './options.ts'

export interface CudaBackendOptions {
  /** Runs what has no kernel: a name or a value. Default 'cpu', which is looked for when it is needed. */
  readonly host?: BackendInput
}

/** NVIDIA GPUs through an engine of our own: nothing to install beside the driver. */
export function createBackend({ host = 'cpu' }: CudaBackendOptions = {}): Backend {
  const hostBackend = new HostBackend(host)
  return {
    name: 'cuda',
    probe: async () => probe(),

    async planKey({ backendOptions }) {
      const { device, tf32, hostFallback } = parseCudaOptions(backendOptions)
      const { version } = openDriver({ minimumVersion: MINIMUM_DRIVER })
      return { ...planFacts(device, tf32), hostFallback, driver: Math.floor(version / 1000) }
    },

    async compile(model, options) {
      const cudaOptions = parseCudaOptions(options.backendOptions)
      const facts = planFacts(cudaOptions.device, cudaOptions.tf32)
      return compileModel(model, options, cudaOptions, facts, hostBackend)
    },

    async load(plan, { backendOptions }) {
      const options = parseCudaOptions(backendOptions)
      checkBackend(plan)
      return CudaEngine.load(plan, options, hostBackend)
    },
  }
}

function probe(): Probe {
  const found = probeDriver({ minimumVersion: MINIMUM_DRIVER })
  if (!found.available) return found
  const { devices } = found
  if (devices.every(({ details }) => Number(details?.computeCapability) < MINIMUM_COMPUTE_CAPABILITY)) {
    const names = devices.map(({ name }) => name).join(', ')
    return {
      available: false,
      reason: `The kernels need a GPU of compute capability 7.5 or newer, and there is ${names}.`,
      remedy: "Use a newer GPU (Turing, 2018, or later), or the backend 'cpu'.",
      devices,
    }
  }
  try {
    kernelImage()
    return found
  } catch (error) {
    if (!isLowlatError(error)) throw error
    return { available: false, reason: error.message, remedy: error.remedy, devices }
  }
}

function checkBackend({ backend }: Plan): void {
  if (backend === 'cuda') return
  throw new ModelError('PLAN_STALE', {
    message: `Expected a plan of the CUDA backend, got one of '${backend}'.`,
    remedy: 'Compile the model with this backend.',
    expected: 'cuda',
    received: backend,
  })
}
