import { describeValue, InputError, isShape, type Shape } from '@lowlat/core'
import { shapeText } from '../evaluate/invalid-node.ts'
import type { Graph } from '../graph/graph.ts'

/**
 * The sizes that shapes of inputs give to named axes.
 * @throws InputError INPUT_UNKNOWN for a name that no input has, INPUT_SHAPE for shapes that do not fit the declared
 * ones or give one name two sizes.
 */
export function bindShapes(graph: Graph, shapes: Readonly<Record<string, Shape>>): ReadonlyMap<string, number> {
  const bound = new Map<string, number>()
  for (const [name, shape] of Object.entries(shapes)) {
    const input = graph.inputs.find((value) => value.name === name)
    if (!input) {
      const names = graph.requiredInputs.map((value) => value.name)
      throw new InputError('INPUT_UNKNOWN', {
        message: `Expected an input of the graph, got '${name}'.`,
        remedy: `Its inputs are ${names.join(', ') || 'none'}.`,
        expected: names,
        received: name,
      })
    }
    if (!isShape(shape)) throw misfit(name, 'a shape of non-negative integers', describeValue(shape), shape)
    const declared = input.shape
    if (!declared) continue
    if (declared.length !== shape.length) throw misfit(name, shapeText(declared), shapeText(shape), shape)
    for (const [axis, dim] of declared.entries()) {
      const size = shape[axis]!
      const known = typeof dim === 'string' ? bound.get(dim) : dim
      if (known !== undefined && known !== size) {
        const why = typeof dim === 'string' ? ` with '${dim}' of ${known}` : ''
        throw misfit(name, `${shapeText(declared)}${why}`, shapeText(shape), shape)
      }
      if (typeof dim === 'string') bound.set(dim, size)
    }
  }
  return bound
}

function misfit(name: string, expected: string, got: string, received: unknown): InputError {
  return new InputError('INPUT_SHAPE', {
    message: `Expected ${expected} for the input '${name}', got ${got}.`,
    remedy: 'Give every axis the size that the model declares, and every name one size.',
    expected,
    received,
  })
}
