import { type Graph, type Node, topologicalOrder, type Value } from '@lowlat/onnx'
import { weightedLayerOf } from '../graph/weighted-layer.ts'
import type { Sites } from '../sites.ts'
import type { FloatParts, Recipe } from './recipe.ts'
import { SiteBuilder } from './site-builder.ts'

/** Noise of 6 % of the outputs, about what the CPU's recipe leaves. Parts in float16 cost little here. */
const LEAST_SQNR_DB = 25

/**
 * NVIDIA GPUs: int8 on both sides with zero point 0. Layers read integers and write floats, so that whatever follows
 * (rectifier, residual sum, the next Q) fuses into them; nothing stands at the outputs of the graph.
 */
const symmetric: Omit<Recipe, 'target'> = {
  activation: { dtype: 'int8', symmetric: true },
  weight: { dtype: 'int8', symmetric: true },
  bias: 'float',
  floatParts: 'fp16',
  leastSqnrDb: LEAST_SQNR_DB,
  sites: symmetricSites,
}

export const cudaRecipe: Recipe = { target: 'cuda', ...symmetric }
export const tensorrtRecipe: Recipe = { target: 'trt', ...symmetric }

/** What a convolution computes while it writes its result. */
const pointwise = new Set(['Relu', 'Clip', 'LeakyRelu', 'Sigmoid', 'HardSigmoid', 'HardSwish', 'Tanh', 'Mul'])
const averages = new Set(['AveragePool', 'GlobalAveragePool'])

function symmetricSites(graph: Graph, { nodes, values }: FloatParts = {}): Sites {
  const builder = new SiteBuilder(graph)
  /** Values that convolutions on integers compute, and sums of them; the latest last. */
  const fromConvolutions = new Set<Value>()
  const read = (node: Node, index: number) => {
    if (!values?.has(node.inputs[index]!.name)) builder.read(node, index)
  }
  for (const node of topologicalOrder(graph)) {
    if (node.domain !== '' || nodes?.has(node.name)) continue
    const [output] = node.outputs
    const activations = node.inputs.filter((value) => value && !value.initializer)
    const layer = weightedLayerOf(node)
    if (layer) {
      if (values?.has(layer.input.name)) continue
      builder.read(node, 0)
      builder.weight(layer)
      if (node.opType === 'Conv') fromConvolutions.add(output!)
    } else if (pointwise.has(node.opType)) {
      if (activations.every((value) => fromConvolutions.has(value!))) fromConvolutions.add(output!)
    } else if (node.opType === 'Add' && activations.length === 2) {
      if (!activations.some((value) => fromConvolutions.has(value!))) continue
      const fused = fusedBranch(node, fromConvolutions)
      for (const index of [0, 1]) if (index !== fused) read(node, index)
      fromConvolutions.add(output!)
    } else if (averages.has(node.opType) && fromConvolutions.has(node.inputs[0]!)) {
      read(node, 0)
    }
  }
  return builder.sites
}

/**
 * The input of a residual sum whose convolution can add the other one: nothing else reads it. Of two, the one that is
 * computed later. A Q/DQ pair in between would part the convolution from the sum (TensorRT, "Q/DQ Layer-Placement
 * Recommendations"). Undefined where there is none: both inputs are then read as integers.
 */
function fusedBranch({ inputs }: Node, fromConvolutions: ReadonlySet<Value>): number | undefined {
  const latest = [...fromConvolutions].findLast((value) => inputs.includes(value) && value.uses.length === 1)
  return latest && inputs.indexOf(latest)
}
