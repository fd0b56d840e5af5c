import type { Backend } from '@lowlat/core'
import { openDriver } from '@lowlat/cuda-driver'
import { compileModel } from './builder/compile.ts'
import { TrtEngine } from './engine/engine.ts'
import { parseTrtOptions, plannedOptions } from './options.ts'
import { planFacts } from './plan-facts.ts'
import { stampOfPlugins } from './plugins.ts'
import { probeTensorRt } from './probe.ts'
import type { TensorRt } from './tensorrt/library.ts'
import { openTensorRt } from './tensorrt/open.ts'

/** NVIDIA TensorRT 10 and 11. Nothing native is loaded before the backend is first asked for something. */
export function createBackend(): Backend {
  return backendOver(openTensorRt)
}

/** The backend on a TensorRT that somebody else opens. */
export function backendOver(open: () => TensorRt): Backend {
  return {
    name: 'trt',
    probe: async () => probeTensorRt(open),

    async planKey({ backendOptions }) {
      const options = parseTrtOptions(backendOptions)
      const driver = openDriver()
      const device = driver.device(options.device)
      const plugins = await stampOfPlugins(options.plugins)
      return { ...planFacts(open(), device, options), driver: driver.version, ...plannedOptions(options), plugins }
    },

    async compile(model, options) {
      const trtOptions = parseTrtOptions(options.backendOptions)
      return compileModel(open(), model, options, trtOptions)
    },

    async load(plan, { backendOptions }) {
      return TrtEngine.load(open(), plan, parseTrtOptions(backendOptions))
    },
  }
}
