import { expect } from 'vitest'
import { GraphBuilder, type GraphBuilderOptions } from '../build/graph-builder.ts'
import { checkGraph } from '../graph/check.ts'
import { graphFromOnnx } from '../graph/from-onnx.ts'
import type { Graph } from '../graph/graph.ts'
import { walkNodes } from '../graph/order.ts'
import { onnxFromGraph } from '../graph/to-onnx.ts'
import type { Pass } from '../passes/pass.ts'
import { removeDeadCode } from '../passes/remove-dead-code.ts'
import { type OrtFeeds, randomFeeds, runModel } from './run-model.ts'

interface Applied {
  readonly graph: Graph
  /** Operators that are left, in order: 'Conv Relu'. */
  readonly operators: string
  readonly changes: number
}

/**
 * Applies a pass to what `build` makes, until it finds nothing more, and removes what fell dead. The outputs of a run
 * must stay what they were, to 1e-5 relative to max(1, |y|), and so must their names and the graph's inputs.
 */
export async function applyPass(
  pass: Pass,
  build: (g: GraphBuilder) => void,
  options?: GraphBuilderOptions,
): Promise<Applied> {
  const builder = new GraphBuilder('test', options)
  build(builder)
  const before = onnxFromGraph(builder.graph)
  const graph = graphFromOnnx(before)
  let changes = 0
  for (let more = pass.run(graph); more > 0; more = pass.run(graph)) {
    changes += more
    checkGraph(graph)
    expect(changes).toBeLessThan(100)
  }
  removeDeadCode.run(graph)
  const after = onnxFromGraph(graph)
  const feeds = randomFeeds(before, { batch: 2 })
  expectClose(await runModel(after, feeds), await runModel(before, feeds))
  expect(interfaceOf(graph)).toEqual(interfaceOf(builder.graph))
  const operators = [...walkNodes(graph)].map((node) => node.opType).join(' ')
  return { graph, operators, changes }
}

/** What users of the model see: names and types of what it is fed with and of what it gives. */
export function interfaceOf(graph: Graph): unknown {
  return [graph.requiredInputs, graph.outputs].map((values) =>
    values.map(({ name, elementType, shape }) => ({ name, elementType, shape })),
  )
}

/** Equal types, shapes and NaNs; numbers that differ by at most `tolerance` times max(1, |expected|). */
export function expectClose(actual: OrtFeeds, expected: OrtFeeds, tolerance = 1e-5): void {
  expect(Object.keys(actual)).toEqual(Object.keys(expected))
  for (const [name, { type, dims, data }] of Object.entries(expected)) {
    const other = actual[name]!
    expect([name, other.type, other.dims]).toEqual([name, type, dims])
    if (!ArrayBuffer.isView(data)) {
      expect(other.data).toEqual(data)
      continue
    }
    expect(largestError(numbers(other), numbers(expected[name]!)), name).toBeLessThanOrEqual(tolerance)
  }
}

const numbers = ({ data }: OrtFeeds[string]) => data as ArrayLike<number | bigint>

function largestError(actual: ArrayLike<number | bigint>, expected: ArrayLike<number | bigint>): number {
  let largest = 0
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [Number(actual[i]), Number(expected[i])]
    if (Object.is(a, b) || a === b) continue
    const error = Math.abs(a - b) / Math.max(1, Math.abs(b))
    if (!(error <= largest)) largest = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error
  }
  return largest
}
