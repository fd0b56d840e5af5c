import { ModelError } from '@lowlat/core'
import type { Graph } from '@lowlat/onnx'
import { NodeRewriter } from './node-rewriter.ts'

/** The first version with Q/DQ per channel. */
const QUANTIZATION_OPSET = 13
/** The IR version that belongs to it (onnx/docs/Versioning.md). */
const IR_VERSION = 7
/** The first version with today's broadcasting. */
const OLDEST_OPSET = 7

/**
 * Rewrites a graph and its subgraphs from opset 7..12 to 13, in place; later ones stay as they are. What changed between
 * those versions is listed in onnx/docs/Changelog.md.
 * @throws ModelError MODEL_UNSUPPORTED for older graphs, and for nodes that opset 13 has no equal for.
 */
export function raiseOpset(graph: Graph): void {
  const { opset } = graph
  if (opset >= QUANTIZATION_OPSET) return
  if (opset < OLDEST_OPSET) {
    throw new ModelError('MODEL_UNSUPPORTED', {
      message: `Expected a model of opset ${OLDEST_OPSET} or later, got ${opset}.`,
      remedy: `Export it again with opset ${QUANTIZATION_OPSET} or later.`,
      received: opset,
    })
  }
  raiseNodes(graph, opset)
  graph.model.opsetImports.set('', QUANTIZATION_OPSET)
  graph.model.irVersion = Math.max(graph.model.irVersion, IR_VERSION)
}

function raiseNodes(graph: Graph, opset: number): void {
  for (const node of [...graph.nodes]) {
    for (const subgraph of node.subgraphs) raiseNodes(subgraph, opset)
    if (node.domain === '' || node.domain === 'ai.onnx') rewrites[node.opType]?.(new NodeRewriter(graph, node), opset)
  }
}

/** By operator: attributes that became inputs, operators that were renamed, defaults that changed. */
const rewrites: Readonly<Record<string, (node: NodeRewriter, opset: number) => void>> = {
  Squeeze: (node) => node.intsToInput('axes', 1),
  Unsqueeze: (node) => node.intsToInput('axes', 1),
  ReduceSum: (node) => node.intsToInput('axes', 1),
  Split: (node) => node.intsToInput('split', 1),
  Pad: (node) => {
    node.intsToInput('pads', 1)
    node.floatToInput('value', 2)
  },
  Clip: (node) => {
    node.floatToInput('min', 1)
    node.floatToInput('max', 2)
  },
  Dropout: (node) => node.floatToInput('ratio', 1),
  Slice: (node) => {
    node.intsToInput('starts', 1)
    node.intsToInput('ends', 2)
    node.intsToInput('axes', 3)
  },
  TopK: (node) => node.intsToInput('k', 1),
  Scatter: (node) => node.rename('ScatterElements'),
  Softmax: (node) => node.overMatrix(),
  LogSoftmax: (node) => node.overMatrix(),
  Hardmax: (node) => node.overMatrix(),
  Upsample: (node) => node.toResize(),
  Resize: (node, opset) => {
    if (opset < 11) node.toResize()
  },
  BatchNormalization: (node) => node.dropAttribute('spatial', 1),
  Scan: (node, opset) => {
    if (opset < 9) throw node.unsupported('a batch axis')
  },
}
