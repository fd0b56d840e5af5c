import { expect } from 'vitest'
import { graphFromOnnx } from '../graph/from-onnx.ts'
import { onnxFromGraph } from '../graph/to-onnx.ts'
import type { Pass } from '../passes/pass.ts'
import { type PassReport, runPasses } from '../passes/run-passes.ts'
import { expectClose, interfaceOf } from './apply-pass.ts'
import { type OrtFeeds, randomFeeds, runModel } from './run-model.ts'

/** The model after the passes. Its inputs and outputs, their names and their types, must be what they were. */
export function rewrite(bytes: Uint8Array, passes?: readonly Pass[]): { bytes: Uint8Array; report: PassReport } {
  const graph = graphFromOnnx(bytes)
  const before = interfaceOf(graph)
  const report = runPasses(graph, passes)
  expect(report.converged).toBe(true)
  expect(interfaceOf(graph)).toEqual(before)
  return { bytes: onnxFromGraph(graph), report }
}

/** Each list of passes must leave the outputs of a run what they are, to 1e-5 relative to max(1, |y|). */
export async function expectSameOutputs(
  bytes: Uint8Array,
  lists: readonly (readonly Pass[])[],
  feeds: OrtFeeds = randomFeeds(bytes, { batch: 1, sequence: 512 }),
): Promise<void> {
  const expected = await runModel(bytes, feeds)
  for (const passes of lists) {
    const { bytes: rewritten, report } = rewrite(bytes, passes)
    if (report.runs.length > 0) expectClose(await runModel(rewritten, feeds), expected)
  }
}
