import { cloneGraph, type Graph, inferTypes, runPasses } from '@lowlat/onnx'
import { broadcastGemmBiases } from './broadcast-bias.ts'
import { finalConvToGemm } from './final-conv.ts'
import { raiseOpset } from './raise-opset.ts'

/**
 * The graph that sites, ranges and parameters refer to: cleaned up by the portable passes, opset 13 or later, types
 * inferred, every node with a name of its own. Computes what `source` does, which stays as it is.
 * @throws ModelError MODEL_UNSUPPORTED for operators that cannot be raised to opset 13, MODEL_INVALID.
 */
export function prepareGraph(source: Graph): Graph {
  const graph = cloneGraph(source)
  runPasses(graph)
  raiseOpset(graph)
  broadcastGemmBiases(graph)
  finalConvToGemm(graph)
  runPasses(graph)
  inferTypes(graph)
  return graph
}
