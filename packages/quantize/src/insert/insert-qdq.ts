import { cloneGraph, type Graph, type Value } from '@lowlat/onnx'
import { foldZeroPoints } from '../fold/fold-zero-points.ts'
import type { ActivationSite, QuantizationParameters, Sites } from '../sites.ts'
import type { Recipe } from '../targets/recipe.ts'
import { dropRectifier } from './drop-rectifier.ts'
import { insertWeight } from './insert-weight.ts'
import { Insertion } from './insertion.ts'

/**
 * The model with Q/DQ nodes: behind every activation site a QuantizeLinear and a DequantizeLinear, weights as integers
 * behind a DequantizeLinear, biases as the recipe wants them. Where the recipe is symmetric, zero points are folded into
 * biases. A Relu or Clip that the saturation of a QuantizeLinear
 * makes superfluous is left out.
 * @param source prepared, as the sites were made for: every node has a unique name, opset 13 or later.
 * @returns a new graph, which shares the memory of what did not change.
 * @throws InputError INVALID_ARGUMENT for sites without parameters, or which the graph does not have, and for zero points that a
 * symmetric recipe cannot fold.
 */
export function insertQdq(source: Graph, sites: Sites, parameters: QuantizationParameters, recipe: Recipe): Graph {
  const graph = cloneGraph(source)
  const { symmetric } = recipe.activation
  const insertion = new Insertion(graph, symmetric ? foldZeroPoints(graph, sites, parameters) : parameters)
  for (const site of sites.weights) insertWeight(insertion, site, recipe.bias)
  for (const site of sites.activations) insertActivation(insertion, site)
  return insertion.graph
}

function insertActivation(insertion: Insertion, site: ActivationSite): void {
  const { graph, constants } = insertion
  const value = insertion.value(site.value)
  const parameters = insertion.activation(site.value)
  const scale = constants.scale(parameters.scale)
  const zeroPoint = constants.zeroPoint(parameters.dtype, parameters.zeroPoint)
  const add = (opType: string, input: Value, place: Parameters<Graph['addNode']>[1]) =>
    graph.addNode(
      {
        opType,
        name: `${value.name}.${opType}`,
        inputs: [input, scale, zeroPoint],
        outputs: [`${value.name}.${opType}`],
      },
      place,
    )
  const place = value.producer ? { after: value.producer } : { before: graph.nodes[0]! }
  const quantize = add('QuantizeLinear', value, place)
  const dequantize = add('DequantizeLinear', quantize.outputs[0]!, { after: quantize })
  for (const { node, index } of site.readers) insertion.node(node).setInput(index, dequantize.outputs[0])
  dropRectifier(graph, quantize, parameters)
}
