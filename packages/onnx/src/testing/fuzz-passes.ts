import { isLowlatError } from '@lowlat/core'
import fc from 'fast-check'
import { expect } from 'vitest'
import { checkGraph } from '../graph/check.ts'
import { graphFromOnnx } from '../graph/from-onnx.ts'
import { onnxFromGraph } from '../graph/to-onnx.ts'
import { runPasses } from '../passes/run-passes.ts'
import { expectClose } from './apply-pass.ts'
import { mutateModel } from './mutate-model.ts'
import { mutationOf } from './mutations.ts'
import { type OrtFeeds, randomFeeds, runModel } from './run-model.ts'

/** What damage to a few bytes may add to a model: constants that were folded before someone read their size. */
const MAX_GROWTH_BYTES = 1 << 20

/**
 * Runs all passes over damaged copies of a model: each is refused with a typed error, or gives a model that can be
 * written and read again and is not much larger. Returns how many of them got through.
 */
export function fuzzPasses(copies: fc.Arbitrary<Uint8Array>, runs: number, seed: number): number {
  let passed = 0
  const property = fc.property(copies, (damaged) => {
    const result = rewritten(damaged)
    if (!result) return
    passed++
    checkGraph(graphFromOnnx(result))
    if (result.length > damaged.length + MAX_GROWTH_BYTES) throw new Error(`grew to ${result.length} bytes`)
  })
  fc.assert(property, { numRuns: runs, seed })
  return passed
}

/** Copies of a model with damaged bytes, and with changed facts. */
export function damagedCopies(bytes: Uint8Array): Record<'bytes' | 'facts', fc.Arbitrary<Uint8Array>> {
  return { bytes: mutationOf(bytes), facts: fc.nat().map((seed) => mutateModel(bytes, seed)) }
}

/** Undefined where the model is refused. @throws what is no LowlatError, and errors of passes that broke a valid graph. */
function rewritten(bytes: Uint8Array): Uint8Array | undefined {
  try {
    const graph = graphFromOnnx(bytes)
    checkGraph(graph)
    runPasses(graph)
    return onnxFromGraph(graph)
  } catch (error) {
    if (!isLowlatError(error)) throw error
    if (error.code === 'INVALID_ARGUMENT' && 'pass' in error.details) throw error
    return undefined
  }
}

/** Changed copies that ONNX Runtime runs must give the same after all passes; at least `least` of the copies do run. */
export async function expectSameRuns(bytes: Uint8Array, copies: number, least: number): Promise<void> {
  let compared = 0
  for (let seed = 0; seed < copies; seed++) {
    const changed = mutateModel(bytes, seed)
    const result = rewritten(changed)
    if (!result) continue
    const before = await tryRun(changed)
    if (!before) continue
    expectClose(await runModel(result, before.feeds), before.outputs)
    compared++
  }
  expect(compared).toBeGreaterThanOrEqual(least)
}

/** Undefined for a model that the library refuses: it may do so afterwards, too. */
async function tryRun(bytes: Uint8Array): Promise<{ feeds: OrtFeeds; outputs: OrtFeeds } | undefined> {
  try {
    const feeds = randomFeeds(bytes, { batch: 2 })
    return { feeds, outputs: await runModel(bytes, feeds) }
  } catch {
    return undefined
  }
}
