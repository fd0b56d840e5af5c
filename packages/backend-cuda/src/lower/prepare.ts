import { type Graph, portablePasses, runPasses } from '@lowlat/onnx'

/**
 * Runs the passes that do not depend on shapes, in place, once per model: before weights are packed.
 * @throws LowlatError for an invalid model.
 */
export function prepareGraph(graph: Graph): Graph {
  runPasses(graph, portablePasses)
  return graph
}
