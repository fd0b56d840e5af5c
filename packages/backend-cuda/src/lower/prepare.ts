import { type Graph, runPasses } from '@lowlat/onnx'
import { lastPasses, preparingPasses } from './layers/passes/index.ts'

/**
 * Runs the passes that do not depend on shapes, in place, once per model: before weights are packed.
 * @throws LowlatError for an invalid model.
 */
export function prepareGraph(graph: Graph): Graph {
  runPasses(graph, preparingPasses)
  runPasses(graph, lastPasses)
  return graph
}
