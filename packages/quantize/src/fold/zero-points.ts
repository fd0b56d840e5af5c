import type { Graph, Node, Value } from '@lowlat/onnx'
import type { ActivationSite, Sites } from '../sites.ts'
import type { Recipe } from '../targets/recipe.ts'
import { hasOwnBias, type ShiftPath, shiftPath } from './shift-path.ts'

/** What has to change for an activation to be stored without its zero point. */
interface ZeroPointFold {
  /** What computes the activation: it becomes smaller by the constant. */
  readonly before: ShiftPath
  /** Layers that multiply the activation: their biases grow by the constant times the sum of a channel's weights. */
  readonly layers: readonly Node[]
  /** The other branches of sums that read the activation: they grow by the constant. */
  readonly sums: readonly ShiftPath[]
}

/** Names of the activations that may have a zero point although the recipe has none. */
export function foldableValues(graph: Graph, sites: Sites, { activation }: Recipe): ReadonlySet<string> {
  return new Set(activation.symmetric ? foldableZeroPoints(graph, sites).keys() : [])
}

/**
 * The activations whose zero point z can be folded into biases: with x - c stored instead of x, c = -z * scale, integers
 * around zero cover any range of x, one-sided ones as well, and every product and sum comes out the same. Not those that
 * anything reads which pads with zeros, averages, or is not linear.
 */
export function foldableZeroPoints(graph: Graph, sites: Sites): ReadonlyMap<string, ZeroPointFold> {
  const names = new Set(sites.activations.map(({ value }) => value))
  const values = new Map([...graph.values()].map((value) => [value.name, value]))
  const layers = new Set(sites.weights.map(({ node }) => node))
  const isQuantized = ({ name }: Value) => names.has(name)
  const folds = new Map<string, ZeroPointFold>()
  for (const site of sites.activations) {
    const fold = foldOf(values.get(site.value)!, site, layers, isQuantized)
    if (fold) folds.set(site.value, fold)
  }
  return folds
}

function foldOf(
  value: Value,
  { readers }: ActivationSite,
  quantizedLayers: ReadonlySet<string>,
  isQuantized: (value: Value) => boolean,
): ZeroPointFold | undefined {
  const before = shiftPath(value, isQuantized)
  // Whoever reads the value itself, as float layers and outputs of the graph do, would read it shifted.
  if (!before || value.uses.length !== readers.length) return undefined
  const layers: Node[] = []
  const sums: ShiftPath[] = []
  for (const use of value.uses) {
    if (use.kind !== 'node') return undefined
    const { node, index } = use
    if (index === 0 && quantizedLayers.has(node.name) && hasOwnBias(node) && !padsWithZeros(node)) {
      layers.push(node)
    } else if (node.opType === 'Add' && node.domain === '') {
      const other = node.inputs[1 - index]
      const path = other && other.uses.length === 1 && !isQuantized(other) ? shiftPath(other, isQuantized) : undefined
      if (!path) return undefined
      sums.push(path)
    } else {
      return undefined
    }
  }
  return { before, layers, sums }
}

/** Whether an output may be made of fewer products than there are weights. */
function padsWithZeros(node: Node): boolean {
  if (node.opType === 'Gemm') return false
  if (node.opType !== 'Conv') return true // the windows of ConvTranspose overlap unevenly
  const auto = node.string('auto_pad', 'NOTSET')
  return auto === 'NOTSET' ? node.ints('pads', []).some((pad) => pad !== 0) : auto !== 'VALID'
}
