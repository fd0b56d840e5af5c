import type { Graph } from '../graph/graph.ts'
import { inferTypes } from '../infer/infer-types.ts'
import { type Pass, walkGraphs } from './pass.ts'

/** Gives values the types that follow from those of the inputs, for the passes that ask for them. Outputs keep theirs. */
export const inferTypesPass: Pass = {
  name: 'infer-types',
  run(graph) {
    if (!graph.model.opsetImports.has('')) return 0
    const { types } = inferTypes(graph, { update: false })
    const outputs = new Set([...walkGraphs(graph)].flatMap((each) => each.outputs))
    let changes = 0
    for (const [value, { elementType, shape }] of types) {
      if (outputs.has(value) || value.initializer) continue
      if (value.elementType === elementType && sameShape(value.shape, shape)) continue
      Object.assign(value, { elementType, shape })
      changes++
    }
    return changes
  },
}

function sameShape(a: Graph['inputs'][number]['shape'], b: typeof a): boolean {
  return a?.length === b?.length && (a?.every((dim, axis) => dim === b?.[axis]) ?? true)
}
