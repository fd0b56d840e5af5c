import { sizeOf, Tensor } from '@lowlat/core'
import { evaluateNode } from '../evaluate/evaluate-node.ts'
import type { Graph } from '../graph/graph.ts'
import type { Node } from '../graph/node.ts'
import type { PartialShape } from '../graph/value-type.ts'
import { isOperator, standardOpset } from './rewire.ts'

/**
 * What a node computes of a shape alone, where types say it: Shape and Size of a value with known sizes, and the sizes
 * that a Gather, Slice or Squeeze picks out of a Shape, whatever the others are.
 */
export function knownShape(node: Node, graph: Graph): Tensor | undefined {
  if (standardOpset(node, graph) === undefined) return undefined
  switch (node.opType) {
    case 'Shape': {
      const dims = dimsOf(node)
      return dims && tensorFrom([dims.length], dims)
    }
    case 'Size': {
      const dims = node.inputs[0]?.shape
      return dims?.every((dim) => typeof dim === 'number') ? tensorFrom([], [sizeOf(dims)]) : undefined
    }
    case 'Gather':
    case 'Slice': {
      const shape = node.inputs[0]?.producer
      const dims = isOperator(shape, graph, 'Shape') ? dimsOf(shape) : undefined
      return dims && picked(node, dims)
    }
    default:
      return undefined
  }
}

/** The sizes that a Shape gives; 'start' and 'end' came with opset 15. */
function dimsOf(shape: Node): PartialShape | undefined {
  const dims = shape.inputs[0]?.shape
  const end = shape.attributes.has('end') ? shape.int('end') : undefined
  return dims?.slice(shape.int('start', 0), end)
}

/** Runs the node on the positions of the sizes instead of the sizes. */
function picked(node: Node, dims: PartialShape): Tensor | undefined {
  const others = node.inputs.slice(1)
  if (others.some((value) => value && !value.initializer)) return undefined
  const constants = others.map((value) => value?.initializer?.tensor)
  const positions = new Tensor('int64', [dims.length], BigInt64Array.from(dims.keys(), BigInt))
  const [result] = evaluateNode(node, [positions, ...constants]) ?? []
  if (result?.dtype !== 'int64') return undefined
  return tensorFrom(
    result.shape,
    Array.from(result.data as BigInt64Array, (position) => dims[Number(position)]),
  )
}

function tensorFrom(shape: readonly number[], dims: PartialShape): Tensor | undefined {
  if (!dims.every((dim) => typeof dim === 'number')) return undefined
  return new Tensor('int64', shape, BigInt64Array.from(dims as readonly number[], BigInt))
}
