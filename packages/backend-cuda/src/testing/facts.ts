import type { Precision, Shape } from '@lowlat/core'
import { type Graph, inferTypes } from '@lowlat/onnx'
import { Facts } from '../lower/facts.ts'
import type { DeviceFacts } from '../program/constants.ts'

/** An H100. */
export const testDevice: DeviceFacts = {
  computeCapability: 90,
  multiprocessors: 132,
  sharedBytesPerBlock: 227 << 10,
  l2Bytes: 50 << 20,
}

/** What lowering would know of a graph. */
export function factsOf(
  graph: Graph,
  precision: Precision = 'fp32',
  inputShapes: Readonly<Record<string, Shape>> = {},
): Facts {
  const options = {
    inputShapes,
    precision,
    device: testDevice,
    hostFallback: 'run' as const,
    tf32: false,
    constants: {
      get() {
        throw new Error('facts pack no constants')
      },
    },
  }
  return new Facts(graph, inferTypes(graph, { inputShapes, update: false }), options)
}
