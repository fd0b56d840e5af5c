import { stringKnob } from '@lowlat/core'

/** Newest first: the majors that are known here, and the name without one, as development packages install it. */
const MAJORS = [11, 10]

interface LibraryKnob {
  /** Names or paths to try, in order. */
  candidates(): string[]
}

function libraryKnob(name: string, library: string, what: string): LibraryKnob {
  const usual = [...MAJORS.map((major) => fileName(library, major)), fileName(library)]
  const knob = stringKnob({
    name,
    description: `TensorRT backend: name or path of ${what}.`,
    default: '',
    defaultText: `the first that is there of ${usual.join(', ')}`,
  })
  return {
    candidates() {
      const path = knob.read()
      return path === '' ? usual : [path]
    },
  }
}

function fileName(library: string, major?: number): string {
  if (process.platform === 'win32') return major === undefined ? `${library}.dll` : `${library}_${major}.dll`
  return major === undefined ? `lib${library}.so` : `lib${library}.so.${major}`
}

export const nvinferKnob = libraryKnob('LOWLAT_NVINFER_LIB', 'nvinfer', "TensorRT's library")
export const onnxParserKnob = libraryKnob('LOWLAT_NVONNXPARSER_LIB', 'nvonnxparser', "TensorRT's ONNX parser")
export const pluginKnob = libraryKnob('LOWLAT_NVINFER_PLUGIN_LIB', 'nvinfer_plugin', "TensorRT's own plugins")
