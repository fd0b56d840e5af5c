import { createRequire } from 'node:module'
import { type CudaContext, openDriver } from '@lowlat/cuda-driver'
import {
  type BuiltFakeNvinfer,
  buildFakeNvinfer,
  buildSimulator,
  FakeNvinferControl,
  type FakeNvinferOptions,
  isSanitized,
  SimulatorControl,
  simulatorUnavailable,
  testsOnGpu,
} from '@lowlat/testing'
import type { BuildEvent, BuildRequest, NativeAddon, NativeEngine, NativeLibrary } from '../native.ts'
import { usualRequest } from '../tensorrt/library.ts'
import { buildAddon } from './native-addon.ts'

/** Why tests of the addon over the stand-in for TensorRT are skipped; undefined where they run. */
export const addonUntestable = testsOnGpu() ? 'needs the simulator, not a GPU' : simulatorUnavailable()

/** The addon, a stand-in for TensorRT and the simulator, opened. */
export class NativeBench {
  readonly addon: NativeAddon
  readonly paths: BuiltFakeNvinfer
  readonly driverPath: string
  readonly library: NativeLibrary
  readonly control: FakeNvinferControl
  readonly simulator: SimulatorControl
  readonly cuda: CudaContext

  private constructor(addonPath: string, paths: BuiltFakeNvinfer, driverPath: string) {
    this.paths = paths
    this.driverPath = driverPath
    process.env.LOWLAT_CUDA_DRIVER_LIB = driverPath
    const driver = openDriver() // before the controls use koffi, whose settings are fixed then
    this.cuda = driver.createContext(driver.devices()[0]!)
    this.addon = createRequire(import.meta.url)(addonPath) as NativeAddon
    this.library = this.open()
    this.control = new FakeNvinferControl(paths.nvinferPath)
    this.simulator = new SimulatorControl(driverPath)
  }

  static async create(options: Pick<FakeNvinferOptions, 'major' | 'version'>): Promise<NativeBench> {
    const sanitize = isSanitized()
    const { driverPath } = await buildSimulator({ kernels: [], sanitize })
    return new NativeBench(await buildAddon({ sanitize }), await buildFakeNvinfer({ ...options, sanitize }), driverPath)
  }

  open(nvinfer = [this.paths.nvinferPath]): NativeLibrary {
    const { onnxParserPath, pluginPath } = this.paths
    const onnxParser = [onnxParserPath]
    return this.addon.open({ nvinfer, onnxParser, plugin: [pluginPath], cudaDriver: this.driverPath })
  }

  request(model: Uint8Array, options: Partial<BuildRequest> = {}): BuildRequest {
    return { ...usualRequest, model: { bytes: model }, cudaContext: this.cuda.handle, ...options }
  }

  async plan(model: Uint8Array, options: Partial<BuildRequest> = {}): Promise<Uint8Array> {
    const ignore = (_: BuildEvent) => {}
    return (await this.library.build(this.request(model, options), ignore).done).plan
  }

  load(plan: Uint8Array | { readonly path: string }): Promise<NativeEngine> {
    return this.library.deserialize(plan, { cudaContext: this.cuda.handle, onLog: () => {} })
  }

  async engine(model: Uint8Array, options: Partial<BuildRequest> = {}): Promise<NativeEngine> {
    return this.load(await this.plan(model, options))
  }
}

/** What the call throws, as the addon throws it. */
export async function errorOf(call: () => unknown): Promise<Error & Record<string, unknown>> {
  try {
    await call()
  } catch (error) {
    return error as Error & Record<string, unknown>
  }
  throw new Error('Expected an error, got none')
}
