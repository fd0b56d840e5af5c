import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { type DeviceInfo, isLowlatError, messageOf, type Probe, withoutRemedy } from '@lowlat/core'
import type { DeviceProperties } from './device.ts'
import { type DriverOptions, openDriver } from './driver.ts'
import { cuResult } from './results.ts'

/** Whether there is a GPU that can be used, and where not, why and what to do. Never throws. */
export function probeDriver(options: DriverOptions = {}): Probe {
  try {
    const devices = openDriver(options).devices().map(deviceInfo)
    if (devices.length > 0) return { available: true, devices }
    return unavailable('The driver reports no device.', noDeviceRemedy(readSurroundings()))
  } catch (error) {
    return explain(error, readSurroundings())
  }
}

function deviceInfo({ name, memoryBytes, ...details }: DeviceProperties): DeviceInfo {
  return { name, memoryBytes, details }
}

/** What tells one reason for a missing GPU from another. */
export interface Surroundings {
  readonly inContainer: boolean
  /** Whether NVIDIA's device files are there: the kernel's part of the driver is loaded, and reaches this container. */
  readonly hasDeviceFiles: boolean
  readonly platform: string
}

export function explain(error: unknown, surroundings: Surroundings): Probe {
  const { inContainer, hasDeviceFiles, platform } = surroundings
  if (!isLowlatError(error)) return unavailable(`The driver cannot be used: ${messageOf(error)}.`, 'Check nvidia-smi.')
  const { remedy, details } = error
  const reason = withoutRemedy(error)
  if (details.missing) {
    if (platform !== 'linux' && platform !== 'win32') {
      return unavailable(reason, 'CUDA needs Linux or Windows and an NVIDIA GPU; use another backend here.')
    }
    if (inContainer) return unavailable(reason, IN_CONTAINER)
    return unavailable(reason, hasDeviceFiles ? `${remedy} The kernel's part of it is there.` : remedy)
  }
  if (details.result === cuResult.noDevice) return unavailable(reason, noDeviceRemedy(surroundings))
  if (details.result === cuResult.systemDriverMismatch) {
    return unavailable(reason, 'The driver was updated while it was loaded: restart the machine.')
  }
  return unavailable(reason, remedy)
}

const IN_CONTAINER =
  'Start the container with access to the GPU: docker run --gpus all ... (with the NVIDIA Container Toolkit on the host).'

function noDeviceRemedy({ inContainer, hasDeviceFiles }: Surroundings): string {
  if (process.env.CUDA_VISIBLE_DEVICES !== undefined) {
    return `CUDA_VISIBLE_DEVICES is '${process.env.CUDA_VISIBLE_DEVICES}', which may hide every device: unset it.`
  }
  if (hasDeviceFiles) return 'Check the GPU with nvidia-smi.'
  return inContainer
    ? IN_CONTAINER
    : "Check that the machine has an NVIDIA GPU and that the driver's module is loaded (lsmod, nvidia-smi)."
}

const unavailable = (reason: string, remedy: string): Probe => ({ available: false, reason, remedy, devices: [] })

function readSurroundings(): Surroundings {
  return { inContainer: isContainer(), hasDeviceFiles: hasNvidiaFiles(), platform: process.platform }
}

function isContainer(): boolean {
  if (existsSync('/.dockerenv') || existsSync('/run/.containerenv')) return true
  try {
    return /docker|containerd|kubepods|libpod|lxc/.test(readFileSync('/proc/1/cgroup', 'utf8'))
  } catch {
    return false // no such file outside Linux
  }
}

function hasNvidiaFiles(): boolean {
  try {
    return readdirSync('/dev').some((name) => /^nvidia(\d|ctl)/.test(name)) || existsSync('/dev/dxg')
  } catch {
    return false // no such folder on Windows
  }
}
