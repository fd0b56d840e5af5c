import { isLowlatError } from '@lowlat/core'
import { graphFromOnnx } from '../graph/from-onnx.ts'
import type { Graph } from '../graph/graph.ts'
import { walkNodes } from '../graph/order.ts'
import type { ValueType } from '../graph/value-type.ts'
import { type InferenceReport, inferTypes } from '../infer/infer-types.ts'

type Verdict = 'right' | 'unknown' | 'wrong'

/** How an inferred type compares with the computed one. */
export function judge(got: ValueType, want: ValueType): Verdict {
  const differs = got.shape?.some((dim, axis) => dim !== undefined && dim !== want.shape![axis])
  if (differs || (got.shape && got.shape.length !== want.shape!.length)) return 'wrong'
  if (got.elementType && got.elementType !== want.elementType) return 'wrong'
  return got.elementType && got.shape && !got.shape.includes(undefined) ? 'right' : 'unknown'
}

/** Takes away what the file says about the outputs of nodes: all that is known afterwards was inferred. */
export function forgetTypes(graph: Graph): void {
  for (const node of walkNodes(graph)) {
    for (const output of node.outputs) if (output) Object.assign(output, { elementType: undefined, shape: undefined })
  }
}

/** Infers everything anew. Undefined where the model is refused. @throws what is no LowlatError: that is a bug. */
export function inferAnew(bytes: Uint8Array): { graph: Graph; report: InferenceReport } | undefined {
  try {
    const graph = graphFromOnnx(bytes)
    forgetTypes(graph)
    return { graph, report: inferTypes(graph) }
  } catch (error) {
    if (isLowlatError(error)) return undefined
    throw error
  }
}
