import { type Graph, mergeSpaceToDepth, removeDeadCode, runPasses } from '@lowlat/onnx'
import { weightedLayerOf } from '../graph/weighted-layer.ts'
import { planCpu, readByIntegers, resultsOf } from './cpu-plan.ts'
import type { Recipe } from './recipe.ts'
import { repeatPixels } from './repeat-pixels.ts'
import { SiteBuilder } from './site-builder.ts'

const cpuSites: Recipe['sites'] = (graph, floats, isSimilar = () => false) => {
  const plan = planCpu(graph, floats)
  const builder = new SiteBuilder(graph)
  for (const [node, kernel] of plan) {
    for (const index of kernel.inputs) builder.read(node, index)
    for (const value of resultsOf(node, kernel)) {
      // Float readers among the others would force the kernel to write both.
      if (!kernel.floatOutput || readByIntegers(value, plan)) builder.readAll(value)
      if (kernel.kind === 'moves') builder.join(node.inputs[0]!, value)
      // QLinearConcat copies what has the scale of its output, and looks up each element of what has not.
      if (kernel.kind === 'joins') {
        for (const input of node.inputs) if (isSimilar(input!.name, value.name)) builder.join(input!, value)
      }
    }
    if (kernel.kind === 'layer') builder.weight(weightedLayerOf(node)!)
  }
  return builder.sites
}

/**
 * x86 and Arm through ONNX Runtime: uint8 activations, int8 weights per channel. From layer to layer everything that has
 * an integer kernel uses it; linear layers between float operators (transformers) read integers and write floats.
 */
export const cpuRecipe: Recipe = {
  target: 'cpu',
  activation: { dtype: 'uint8', symmetric: false },
  weight: { dtype: 'int8', symmetric: true },
  bias: 'int32',
  floatParts: 'fp32',
  leastSqnrDb: undefined,
  sites: cpuSites,
  finish,
}

/**
 * Blocks of pixels in channels are undone in front of float convolutions only: for integer ones ONNX Runtime writes a
 * pointer per output and position of the kernel in each run, which makes large kernels slow.
 */
function finish(quantized: Graph): void {
  repeatPixels(quantized)
  runPasses(quantized, [mergeSpaceToDepth, removeDeadCode])
}
