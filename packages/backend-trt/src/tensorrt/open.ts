import { openDriver } from '@lowlat/cuda-driver'
import { nvinferKnob, onnxParserKnob, pluginKnob } from '../knobs.ts'
import { loadAddon, type NativeAddon } from '../native.ts'
import { calling } from '../native-error.ts'
import { TensorRt } from './library.ts'

export interface TensorRtPaths {
  /** Names or paths to try, in order. Default: the knob LOWLAT_NVINFER_LIB, else the usual names. */
  readonly nvinfer?: readonly string[]
  /**
   * Default: the knob LOWLAT_NVONNXPARSER_LIB, else the usual names, beside libnvinfer first where that is a path. Names of
   * another major are passed over. Opened by the first build.
   */
  readonly onnxParser?: readonly string[]
  /** As `onnxParser`, with the knob LOWLAT_NVINFER_PLUGIN_LIB. Opened when plugins are first asked for. */
  readonly plugin?: readonly string[]
  /** Name or path of NVIDIA's driver library. Default: the knob LOWLAT_CUDA_DRIVER_LIB. */
  readonly cudaDriver?: string
}

const opened = new Map<string, TensorRt>()

/**
 * Opens the TensorRT that is installed, once per set of paths.
 * @throws BackendError BACKEND_UNAVAILABLE: no driver, no addon, no library, one that lacks functions, or another major
 * version.
 */
export function openTensorRt(paths: TensorRtPaths = {}): TensorRt {
  return openWith(loadAddon, paths)
}

/** As {@link openTensorRt}, through an addon that is given. */
export function openWith(addon: () => NativeAddon, paths: TensorRtPaths = {}): TensorRt {
  const nvinfer = paths.nvinfer ?? nvinferKnob.candidates()
  const wanted = {
    nvinfer,
    onnxParser: paths.onnxParser ?? onnxParserKnob.candidates(nvinfer[0]),
    plugin: paths.plugin ?? pluginKnob.candidates(nvinfer[0]),
    cudaDriver: paths.cudaDriver ?? openDriver().path,
  }
  const key = JSON.stringify(wanted)
  const known = opened.get(key)
  if (known && !known.closed) return known
  const library = calling(() => addon().open(wanted))
  const tensorRt = new TensorRt(library)
  opened.set(key, tensorRt)
  return tensorRt
}
