import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { type Backend, ModelError, messageOf, type Plan, type Probe, payloadFileName } from '@lowlat/core'
import { compileInProcess } from './compile.ts'
import { writingTo } from './disk-errors.ts'
import { CpuEngine } from './engine.ts'
import { integerUnitsOf } from './integer-convolutions.ts'
import { cpuFlags, usableCores } from './machine.ts'
import { compileOptions, parseCpuOptions } from './options.ts'
import { tensorInfoFrom } from './ort-types.ts'
import { disableTelemetry } from './telemetry.ts'

/** The CPU through ONNX Runtime: always there, nothing to install beside this package. */
export function createBackend(): Backend {
  return {
    name: 'cpu',
    probe: async () => probe(),
    planKey: async () => ({ onnxruntime: ortPackage().version, machine: machineKey() }),

    async compile(model, options) {
      parseCpuOptions(options.backendOptions)
      // Only a model that is not in the plan cache has to be understood.
      const [{ prepareModel }, { writePlanFile }] = await Promise.all([
        import('./model.ts'),
        import('./plan-writer.ts'),
      ])
      return writingTo(options.workFolder, async () => {
        const prepared = await prepareModel(model, options)
        const optimized = join(options.workFolder, 'optimized.onnx')
        const created = await compileInProcess(prepared.path, compileOptions(optimized), options.signal)
        const path = join(options.workFolder, payloadFileName)
        const units = integerUnitsOf(process.arch, cpuFlags())
        await writePlanFile({ optimizedPath: optimized, modelFolder: dirname(prepared.path), units }, path)
        return {
          backend: 'cpu',
          inputs: created.inputs.map(tensorInfoFrom),
          outputs: created.outputs.map(tensorInfoFrom),
          profiles: options.profiles,
          metadata: { onnxruntime: ortPackage().version, machine: machineKey() },
          payload: { kind: 'file', path },
          dependencies: prepared.dependencies,
        }
      })
    },

    async load(plan, { backendOptions, contexts }) {
      checkPlan(plan)
      disableTelemetry()
      return CpuEngine.load(plan, parseCpuOptions(backendOptions, contexts))
    },
  }
}

const require = createRequire(import.meta.url)

let cachedPackage: { version: string; folder: string } | undefined

/** Where onnxruntime-node is and which version, without loading its native code. */
function ortPackage(): { version: string; folder: string } {
  if (!cachedPackage) {
    let folder = dirname(require.resolve('onnxruntime-node'))
    while (!existsSync(join(folder, 'package.json')) || !existsSync(join(folder, 'bin'))) folder = dirname(folder)
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
    cachedPackage = { version, folder }
  }
  return cachedPackage
}

function probe(): Probe {
  const devices = [
    { name: cpus()[0]?.model ?? process.arch, memoryBytes: totalmem(), details: { cores: usableCores() } },
  ]
  try {
    const { folder } = ortPackage()
    const builds = readdirSync(join(folder, 'bin'))
    const found = builds.some((build) =>
      existsSync(join(folder, 'bin', build, process.platform, process.arch, 'onnxruntime_binding.node')),
    )
    if (found) return { available: true, devices }
    return {
      available: false,
      reason: `onnxruntime-node has no build for ${process.platform}-${process.arch}.`,
      remedy: 'Use a platform that it ships (Linux, macOS or Windows on x64 or arm64).',
      devices,
    }
  } catch (error) {
    return {
      available: false,
      reason: `onnxruntime-node cannot be found (${messageOf(error)}).`,
      remedy: 'Install again: npm install @lowlat/backend-cpu',
      devices,
    }
  }
}

let cachedMachine: string | undefined

/** Optimised models hold layouts made for one instruction set. */
function machineKey(): string {
  cachedMachine ??= createHash('sha256')
    .update(`${process.platform} ${process.arch} ${cpus()[0]?.model} ${cpuFlags()}`)
    .digest('hex')
    .slice(0, 16)
  return cachedMachine
}

function checkPlan({ backend, metadata }: Plan): void {
  const expected = { onnxruntime: ortPackage().version, machine: machineKey() }
  if (backend === 'cpu' && metadata.onnxruntime === expected.onnxruntime && metadata.machine === expected.machine)
    return
  throw new ModelError('PLAN_STALE', {
    message: `Expected a plan of the CPU backend for ${JSON.stringify(expected)}, got one of '${backend}' for ${JSON.stringify(metadata)}.`,
    remedy: 'Compile the model on this machine with this version.',
    expected,
    received: { backend, ...metadata },
  })
}
