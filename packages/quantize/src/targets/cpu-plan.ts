import { fusedOutput, type Graph, type Node, topologicalOrder, type Value } from '@lowlat/onnx'
import { type IntegerKernel, integerKernelOf } from './cpu-operators.ts'
import type { FloatParts } from './recipe.ts'

/** The nodes that compute on integers, producers first, each with the kernel it uses. */
type CpuPlan = ReadonlyMap<Node, IntegerKernel>

/**
 * Layers with weights compute on integers wherever they can. Operators between them do so where integers come in and
 * integers are wanted, so that nothing is converted on the way from layer to layer; before the first layer and after the
 * last one all is float.
 */
export function planCpu(graph: Graph, floats: FloatParts = {}): CpuPlan {
  const plan = new Map<Node, IntegerKernel>()
  const own = new Set(graph.nodes)
  for (const node of topologicalOrder(graph)) {
    const kernel = integerKernelOf(node)
    if (kernel && isPossible(node, kernel, own, floats)) plan.set(node, kernel)
  }
  // Taking one out may take the reason for its neighbours away.
  for (let size = -1; size !== plan.size; ) {
    size = plan.size
    for (const node of [...plan.keys()].reverse()) if (!isWanted(node, plan)) plan.delete(node)
    const integers = new Set<Value>()
    for (const [node, kernel] of plan) {
      const isFed = kernel.kind === 'layer' || kernel.inputs.some((index) => integers.has(node.inputs[index]!))
      if (!isFed) plan.delete(node)
      else for (const value of resultsOf(node, kernel)) integers.add(value)
    }
  }
  return plan
}

/** What the node hands on. A rectifier behind an operator that keeps its scale has a range of its own. */
export function resultsOf(node: Node, { kind }: IntegerKernel): readonly Value[] {
  if (kind === 'moves') return node.outputs.filter((value) => value !== undefined)
  return [fusedOutput(node)!]
}

/** Whether a node that computes on integers reads the value as an activation. */
export function readByIntegers(value: Value, plan: CpuPlan): boolean {
  return value.uses.some((use) => use.kind === 'node' && plan.get(use.node)?.inputs.includes(use.index))
}

function isPossible(node: Node, kernel: IntegerKernel, own: ReadonlySet<Node>, floats: FloatParts): boolean {
  if (floats.nodes?.has(node.name)) return false
  if (kernel.inputs.some((index) => floats.values?.has(node.inputs[index]!.name))) return false
  const results = resultsOf(node, kernel)
  // Outputs and what the bodies of control flow read.
  const leavesGraph = results.some(({ uses }) => uses.some((use) => use.kind === 'output' || !own.has(use.node)))
  // A kernel writes integers or floats, not both.
  if (kernel.floatOutput) return !leavesGraph || results.every((value) => value.uses.length === 1)
  return !leavesGraph && !results.some((value) => floats.values?.has(value.name))
}

/** Integers are wanted by layers, and by whatever hands them on to some. */
function isWanted(node: Node, plan: CpuPlan): boolean {
  const kernel = plan.get(node)!
  return kernel.kind === 'layer' || resultsOf(node, kernel).every((value) => readByIntegers(value, plan))
}
