/** Follows the elements of small tensors through a node: constants, and sizes that are known in part. */
import { type DType, type Shape, sizeOf, Tensor } from '@lowlat/core'
import { shapeBounds } from '../evaluate/constants.ts'
import { broadcastStrides } from '../evaluate/elements.ts'
import { evaluateNode } from '../evaluate/evaluate-node.ts'
import { strided } from '../evaluate/operands.ts'
import { normalDomain } from '../graph/model-info.ts'
import { type PartialDim, productOf, sumOf } from './dims.ts'
import { constantFact, type Fact, factFromValues, isConcrete, knownValues, maxConstantElements } from './fact.ts'
import type { Site } from './site.ts'

type Values = readonly PartialDim[]

/** The node's outputs with what is known of their elements added to their types. */
export function withValues(site: Site, types: readonly (Fact | undefined)[]): readonly (Fact | undefined)[] {
  if (normalDomain(site.node.domain) !== '') return types
  const constants = evaluated(site)
  if (constants)
    return constants.map((tensor) => (tensor.size <= maxConstantElements ? constantFact(tensor) : typeOf(tensor)))
  const values = partial(site, types[0])
  if (!values) return types
  return types.map((type, index) => type && factFromValues(type, values[index]))
}

const typeOf = ({ dtype, shape }: Tensor): Fact => ({ elementType: dtype, shape })

function evaluated(site: Site): readonly Tensor[] | undefined {
  const { node } = site
  // Every input must be constant, which for none is true of operators without any.
  const constants = site.inputs.map((fact) => fact?.constant)
  return evaluateNode(node, constants, { maxElements: maxConstantElements })
}

/** Elements of each output; `type` is that of the first one. */
function partial(site: Site, type: Fact | undefined): readonly (Values | undefined)[] | undefined {
  const { node } = site
  const { opType } = node
  if (opType === 'Shape') {
    const shape = site.shape(0)
    return shape && [shape.slice(...shapeBounds(node, shape.length))]
  }
  if (opType === 'Size') return [[productOf(site.shape(0) ?? [undefined])]]
  const moved = movedInputs.get(opType)
  if (moved) return movedValues(site, moved)
  const combine = combinations.get(opType)
  if (combine && type && isConcrete(type.shape)) return combinedValues(site, type.shape, combine)
  const fold = folds.get(opType)
  const values = fold && site.values(0)
  if (fold && values && isConcrete(type?.shape) && sizeOf(type.shape) === 1) return [[fold(values)]]
  return undefined
}

/** Operators that only move elements, with the inputs that they come from. Cast is one between integers. */
const movedInputs: ReadonlyMap<string, readonly number[] | 'all'> = new Map<string, readonly number[] | 'all'>([
  ['Concat', 'all'],
  ...'Cast Expand Flatten Gather Identity Reshape Slice Split Squeeze Tile Transpose Unsqueeze'
    .split(' ')
    .map((opType): [string, readonly number[]] => [opType, [0]]),
])

/** Lets the operator move numbers that stand for the elements, and looks up where they have gone. */
function movedValues(site: Site, moved: readonly number[] | 'all'): readonly (Values | undefined)[] | undefined {
  const elements: PartialDim[] = []
  const inputs: (Tensor | undefined)[] = []
  for (const [index, fact] of site.inputs.entries()) {
    const isMoved = moved === 'all' || moved.includes(index)
    if (!fact || !isMoved) {
      inputs.push(fact?.constant)
      continue
    }
    const values = valuesOrUnknown(fact)
    if (!values || !isConcrete(fact.shape)) return undefined
    const handles = BigInt64Array.from(values, (_, at) => BigInt(elements.length + at))
    inputs.push(new Tensor<DType>('int64', fact.shape, handles))
    elements.push(...values)
  }
  if (elements.every((element) => element === undefined)) return undefined
  if (site.node.opType === 'Cast') return [elements]
  const results = evaluateNode(site.node, inputs, { maxElements: maxConstantElements })
  return results?.map(({ data }) => Array.from(data as BigInt64Array, (handle) => elements[Number(handle)]))
}

/** Elements of which nothing is known may stand beside others that are. */
function valuesOrUnknown(fact: Fact): Values | undefined {
  const values = knownValues(fact)
  if (values || fact.constant || !isConcrete(fact.shape)) return values
  const size = sizeOf(fact.shape)
  return size <= maxConstantElements ? new Array<PartialDim>(size).fill(undefined) : undefined
}

type Combine = (...elements: PartialDim[]) => PartialDim

const numbers =
  (apply: (a: number, b: number) => number): Combine =>
  (a, b) =>
    typeof a === 'number' && typeof b === 'number' ? apply(a, b) : undefined

const isNegative = (element: PartialDim) => typeof element === 'number' && element < 0

/** Sizes that have a name are equal to themselves, and to nothing below 0. */
const equal: Combine = (a, b) => {
  if (a === undefined || b === undefined) return undefined
  if (a === b) return 1
  const differ = typeof a === typeof b ? typeof a === 'number' : isNegative(a) || isNegative(b)
  return differ ? 0 : undefined
}

const combinations: ReadonlyMap<string, Combine> = new Map<string, Combine>([
  ['Add', (a, b) => sumOf(a, b)],
  ['Sub', (a, b) => (b === 0 ? a : a !== undefined && a === b ? 0 : numbers((x, y) => x - y)(a, b))],
  ['Mul', (a, b) => productOf([a, b])],
  ['Div', (a, b) => (b === 1 ? a : b === 0 ? undefined : numbers((x, y) => Math.trunc(x / y))(a, b))],
  ['Min', (a, ...rest) => rest.reduce((least, b) => (least === b ? b : numbers(Math.min)(least, b)), a)],
  ['Max', (a, ...rest) => rest.reduce((most, b) => (most === b ? b : numbers(Math.max)(most, b)), a)],
  ['Equal', equal],
  ['Where', (test, yes, no) => (yes === no ? yes : test === undefined ? undefined : test === 0 ? no : yes)],
])

function combinedValues(site: Site, shape: Shape, combine: Combine): readonly Values[] | undefined {
  const size = sizeOf(shape)
  // Nearly always: sums and products of activations.
  if (size > maxConstantElements || site.inputs.every((fact) => !fact || !knownValues(fact))) return undefined
  const operands: Values[] = []
  for (const fact of site.inputs) {
    const values = fact && valuesOrUnknown(fact)
    if (!values || !isConcrete(fact.shape)) return undefined
    const places = new Tensor<DType>('int32', fact.shape, Int32Array.from(values.keys()))
    const spread = strided(places, shape, broadcastStrides(fact.shape, shape))!
    operands.push(Array.from(spread.data as Int32Array, (place) => values[place]))
  }
  return [Array.from({ length: size }, (_, at) => combine(...operands.map((values) => values[at])))]
}

const folds: ReadonlyMap<string, (values: Values) => PartialDim> = new Map<string, (values: Values) => PartialDim>([
  ['ReduceProd', productOf],
  ['ReduceSum', (values) => sumOf(...values)],
])
