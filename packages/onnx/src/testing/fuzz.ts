import { isLowlatError, ModelError } from '@lowlat/core'
import fc from 'fast-check'
import { GraphBuilder } from '../build/graph-builder.ts'
import { decodeModel, encodeModel } from '../codec/model.ts'
import { describeModel } from '../graph/describe.ts'
import { graphFromOnnx } from '../graph/from-onnx.ts'
import { walkNodes } from '../graph/order.ts'
import { onnxFromGraph } from '../graph/to-onnx.ts'
import { mutationOf } from './mutations.ts'

/** A model of a few hundred bytes with most kinds of messages: damage to it seldom hits mere weights. */
export function smallModel(): Uint8Array {
  const g = new GraphBuilder('fuzz', { metadata: { key: 'value' } })
  const x = g.input('x', 'float32', ['batch', 3])
  const sum = g.op('Add', [x, g.weights('w', [3], 1)])
  const clipped = g.op('Clip', [sum, undefined, g.scalar('max', 'float32', 6)])
  const pads = { pads: [0, 1, 0, 1], mode: 'constant' }
  g.output('y', g.op('Pad', [clipped, g.int64('pads', [0, 1])], pads), 'float32', ['batch', 5])
  const model = decodeModel(onnxFromGraph(g.graph))
  const branch = { name: 'branch', node: [{ opType: 'Neg', input: ['x'], output: ['n'] }], output: [{ name: 'n' }] }
  const attribute = [{ name: 'then_branch', type: 5, g: branch }]
  const typed = { name: 'typed', dims: [3n], dataType: 1, floatData: [1, 2, 3] }
  const integers = { name: 'integers', dims: [3n], dataType: 7, int64Data: [1n, -2n, 300n] }
  const { graph } = model
  return encodeModel({
    ...model,
    graph: {
      ...graph,
      node: [...(graph?.node ?? []), { opType: 'If', input: ['x'], output: ['z'], attribute }],
      initializer: [...(graph?.initializer ?? []), typed, integers],
    },
  })
}

/** Does with the bytes all that reading a model does. @throws anything but a ModelError is a bug. */
function readAll(bytes: Uint8Array): void {
  const attempt = (run: () => void) => {
    try {
      run()
    } catch (error) {
      if (!(error instanceof ModelError)) throw error
    }
  }
  attempt(() => void describeModel(bytes))
  attempt(() => {
    const graph = graphFromOnnx(bytes)
    for (const { initializer } of graph.initializers) attempt(() => void initializer!.tensor)
    for (const node of walkNodes(graph)) attempt(() => void node.ints('pads', []))
    // What was read and makes sense can be written and read again.
    attempt(() => void graphFromOnnx(onnxFromGraph(graph)))
  })
}

/** Whatever the damage: a model or a ModelError, never another error. */
export function fuzz(bytes: Uint8Array, runs: number, seed: number): void {
  fc.assert(fc.property(mutationOf(bytes), readAll), { numRuns: runs, seed })
}

/** Bytes without any meaning, which must be refused as such. */
export function fuzzRandom(runs: number, seed: number): void {
  const property = fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    try {
      decodeModel(bytes)
    } catch (error) {
      return isLowlatError(error, 'MODEL_INVALID')
    }
    return true
  })
  fc.assert(property, { numRuns: runs, seed })
}
