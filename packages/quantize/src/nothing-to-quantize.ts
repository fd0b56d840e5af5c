import { ModelError } from '@lowlat/core'
import type { Graph } from '@lowlat/onnx'

export function nothingToQuantize(graph: Graph): ModelError {
  const operators = [...new Set(graph.nodes.map((node) => node.opType))].join(', ')
  return new ModelError('MODEL_UNSUPPORTED', {
    message: `Expected layers with constant float32 weights (Conv, ConvTranspose, Gemm, MatMul), got only ${operators || 'an empty graph'}.`,
    remedy: 'Keep such a model in float, or import it if it is quantized already.',
    received: operators,
  })
}
