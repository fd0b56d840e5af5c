import { dirname, join } from 'node:path'
import { stringKnob } from '@lowlat/core'

/** Newest first: the majors that are known here, and the name without one, as development packages install it. */
const MAJORS = [11, 10]

interface LibraryKnob {
  /**
   * Names or paths to try, in order.
   * @param beside another library of TensorRT that was asked for: where that is a path, its folder comes first.
   */
  candidates(beside?: string): string[]
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
    candidates(beside = '') {
      const path = knob.read()
      if (path !== '') return [path]
      const folder = dirname(beside)
      return folder === '.' ? usual : [...usual.map((name) => join(folder, name)), ...usual]
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
