import type { Graph, Initializer, Node } from '@lowlat/onnx'
import type { Calibrator } from '../calibrate/calibrators.ts'
import { parametersFor, type Scheme } from '../calibrate/scheme.ts'
import type { CalibrationTable } from '../calibrate/table.ts'
import { groupsOf } from '../groups.ts'
import type { ActivationParameters, Sites, WeightParameters, WeightSite } from '../sites.ts'
import type { WeightMethod } from '../weights/channel-scale.ts'
import { quantizeWeight } from '../weights/quantize-weight.ts'

/**
 * Scale and zero point of every activation, by value; those of a group are equal.
 * @param folded values whose zero points are folded away, and which can therefore have one under a symmetric scheme too.
 */
export function activationParameters(
  sites: Sites,
  table: CalibrationTable,
  scheme: Scheme,
  calibrate: Calibrator,
  folded: ReadonlySet<string> = new Set(),
): Map<string, ActivationParameters> {
  const parameters = new Map<string, ActivationParameters>()
  for (const members of groupsOf(sites.activations).values()) {
    const values = members.map(({ value }) => value)
    const own = values.every((value) => folded.has(value)) ? { ...scheme, symmetric: false } : scheme
    const shared = parametersFor(calibrate(table.histogramOf(values), own), own)
    for (const value of values) parameters.set(value, shared)
  }
  return parameters
}

/** Quantized weights by node; nodes that share a weight share its parameters. */
export function weightParameters(
  graph: Graph,
  sites: Sites,
  scheme: Scheme,
  method: WeightMethod,
): Map<string, WeightParameters> {
  const layers = layersOf(graph, sites)
  const known = new Map<string, WeightParameters>()
  return new Map(
    layers.map(({ site, weight }) => {
      const key = `${site.axis} ${site.value}`
      const parameters = known.get(key) ?? quantizeWeight(weight.tensor, { axis: site.axis, scheme, method })
      known.set(key, parameters)
      return [site.node, parameters] as const
    }),
  )
}

export interface Layer {
  readonly site: WeightSite
  readonly node: Node
  readonly weight: Initializer
}

/** The nodes and weights that sites refer to. */
export function layersOf(graph: Graph, sites: Sites): Layer[] {
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]))
  return sites.weights.map((site) => {
    const node = nodes.get(site.node)!
    return { site, node, weight: node.inputs[site.index]!.initializer! }
  })
}
