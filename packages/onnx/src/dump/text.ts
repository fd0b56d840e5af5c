import type { Graph } from '../graph/graph.ts'
import type { Node } from '../graph/node.ts'
import { attributeText, nameText, typeText, valueText } from './labels.ts'

/**
 * The graph in words: its inputs and outputs, then a line per node with name, operator, inputs, attributes and outputs,
 * those of subgraphs below their node. Equal graphs give equal text, so that `diff` shows what an edit changed.
 * @throws ModelError MODEL_INVALID for small constants whose data do not fit their shape.
 */
export function textFromGraph(graph: Graph): string {
  const { irVersion, opsetImports, producerName, producerVersion } = graph.model
  const opsets = [...opsetImports].map(([domain, version]) => `${domain || 'ONNX'} ${version}`)
  const producer = `${producerName} ${producerVersion}`.trim()
  const constants = graph.initializers.reduce((sum, { initializer }) => sum + (initializer?.byteLength ?? 0), 0)
  return [
    `graph ${nameText(graph.name)}: IR ${irVersion}, operators ${opsets.join(', ')}${producer && `, by ${producer}`}`,
    ...section('input', graph.inputs.map(valueText)),
    ...section(
      'output',
      graph.outputs.map((value) => `${nameText(value.name)}: ${typeText(value)}`),
    ),
    `${graph.initializers.length} weights, ${constants} bytes`,
    `${graph.nodes.length} nodes`,
    ...graph.nodes.flatMap((node, index) => nodeLines(node, index, '  ')),
    '',
  ].join('\n')
}

const section = (title: string, lines: readonly string[]) => lines.map((line) => `${title} ${line}`)

function nodeLines(node: Node, index: number, indent: string): string[] {
  const name = node.name ? nameText(node.name) : `#${index}`
  const operator = node.domain ? `${nameText(node.domain)}.${nameText(node.opType)}` : nameText(node.opType)
  const inputs = node.inputs.map(valueText).join(', ')
  const attributes = [...node.attributes].map(([key, attribute]) => `${nameText(key)}: ${attributeText(attribute)}`)
  const outputs = node.outputs.map((value) => (value ? `${nameText(value.name)}: ${typeText(value)}` : '-')).join(', ')
  const braces = attributes.length > 0 ? ` {${attributes.sort().join(', ')}}` : ''
  return [
    `${indent}${name} = ${operator}(${inputs})${braces} -> ${outputs}`,
    ...node.subgraphs.flatMap((subgraph) => subgraphLines(subgraph, `${indent}  `)),
  ]
}

function subgraphLines(graph: Graph, indent: string): string[] {
  const inputs = graph.inputs.map(valueText).join(', ')
  const outputs = graph.outputs.map((value) => nameText(value.name)).join(', ')
  return [
    `${indent}graph ${nameText(graph.name)}(${inputs}) -> ${outputs}`,
    ...graph.nodes.flatMap((node, index) => nodeLines(node, index, `${indent}  `)),
  ]
}
