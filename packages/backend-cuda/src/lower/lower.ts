import type { Graph } from '@lowlat/onnx'
import type { Program } from '../program/program.ts'
import type { LowerOptions } from './options.ts'

/**
 * What runs for these input shapes. The graph is not changed; it was prepared by `prepareGraph`.
 * @throws ModelError MODEL_UNSUPPORTED listing the operators without a kernel, with `hostFallback: 'error'`.
 */
export function lower(_graph: Graph, _options: LowerOptions): Program {
  throw new Error('not written yet')
}
