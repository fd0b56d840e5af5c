import type { Backend } from '@lowlat/core'
import { openDriver } from '@lowlat/cuda-driver'
import { buildFakeNvinfer, buildSimulator, FakeNvinferControl, isSanitized, SimulatorControl } from '@lowlat/testing'
import { backendOver } from '../backend.ts'
import type { TensorRt } from '../tensorrt/library.ts'
import { openTensorRt } from '../tensorrt/open.ts'
import { buildAddon } from './native-addon.ts'

/** The backend on the stand-in for one major version of TensorRT, through the addon, on the simulated GPU. */
export interface StandIn {
  readonly backend: () => Backend
  readonly tensorRt: TensorRt
  readonly control: FakeNvinferControl
  readonly simulator: SimulatorControl
}

/** Takes a minute the first time. @throws Error where there is no g++ (see `simulatorUnavailable`). */
export async function useStandIn(major: 10 | 11): Promise<StandIn> {
  const sanitize = isSanitized()
  const { driverPath } = await buildSimulator({ kernels: [], sanitize })
  process.env.LOWLAT_CUDA_DRIVER_LIB = driverPath
  openDriver() // before the controls use koffi, whose settings are fixed then
  process.env.LOWLAT_TRT_ADDON = await buildAddon({ sanitize })
  const { nvinferPath, onnxParserPath, pluginPath } = await buildFakeNvinfer({ major, sanitize })
  const paths = { nvinfer: [nvinferPath], onnxParser: [onnxParserPath], plugin: [pluginPath] }
  return {
    backend: () => backendOver(() => openTensorRt(paths)),
    tensorRt: openTensorRt(paths),
    control: new FakeNvinferControl(nvinferPath),
    simulator: new SimulatorControl(driverPath),
  }
}
