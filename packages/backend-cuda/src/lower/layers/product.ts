import type { Epilogue } from '../../kernels/epilogue.ts'
import { canMultiply, type MatrixProductArgs, matrixProduct } from '../../kernels/matrix-product.ts'
import { type ProductPrecision, packedDepth, packMatrix, weightDTypes } from '../../kernels/packing.ts'
import type { View } from '../../program/view.ts'
import type { Lowering } from '../lowering.ts'
import { broadcastView, transposeView } from '../views.ts'
import { doubledView } from './doubled-view.ts'
import { epilogueOf, outputDType } from './epilogue.ts'
import type { Layer } from './layer.ts'
import { constantOperandOf } from './operands.ts'
import { canStore, floatPrecision } from './precision.ts'
import { type ProductShape, productShapeOf } from './product-shape.ts'
import { inTurns, levelsOf, summandsOf } from './weight-levels.ts'

export function lowerProduct(layer: Layer, context: Lowering): void {
  const { node, integers, tail } = layer
  const { facts } = context
  const shape = productShapeOf(node, facts)
  const precision: ProductPrecision = integers ? 'int8' : floatPrecision(facts.storageOf(node.outputs[0]!), facts)
  const packed = packedWeights(layer, shape, precision, context)
  const rows = matrixView(context.viewOf(integers?.input.integers ?? shape.a), shape.transposesA, 'row')
  const isDoubled = packed !== undefined && isWide(layer)
  const a = isDoubled ? doubledView(rows, rows.shape.length - 1, 1, 'row-major', context) : rows
  const b = packed ?? matrixView(context.viewOf(integers?.weight.integers ?? shape.b), shape.transposesB, 'column')
  // Axes that numpy leaves out of the result where an operand is a vector.
  const withAxes = (view: View): View => {
    const wide = facts.shape(shape.b).length === 1 ? insertAxis(view, view.shape.length) : view
    return facts.shape(shape.a).length === 1 ? insertAxis(wide, wide.shape.length - 1) : wide
  }
  const resultShape = facts.shape(node.outputs[0]!)
  const rowLength = shape.transposesB ? shape.depth : shape.columns
  const { columns } = shape
  const raw = epilogueOf(layer, context, {
    channels: columns,
    bias: shape.added === 'vector' ? node.inputs[2] : undefined,
    beta: shape.beta,
    alpha: shape.alpha,
    channelOf: (index) => (shape.transposesB ? Math.floor(index / rowLength) : index % rowLength),
    added: shape.added === 'matrix' ? broadcastView(context.viewOf(node.inputs[2]!), resultShape) : undefined,
  })
  const epilogue: Epilogue = {
    ...raw,
    residual: raw.residual && { ...raw.residual, view: withAxes(raw.residual.view) },
  }
  const args = { precision, a, b, packed: packed !== undefined, epilogue, device: facts.device }
  const dtype = outputDType(layer, context)
  const output = context.destinationFor(tail.output, {
    dtype,
    accepts: (view) => canStore(view.dtype, dtype) && canMultiply({ ...args, output: withAxes(view) }),
  })
  context.emit(matrixProduct(inOneLaunch({ ...args, output: withAxes(output) }, context)), { precision })
  context.define(tail.output, output)
}

/** At least two axes, the last two swapped if `transposes`. */
function matrixView(view: View, transposes: boolean, vectorIs: 'row' | 'column'): View {
  const { length } = view.shape
  if (length === 1) return insertAxis(view, vectorIs === 'row' ? 0 : 1)
  if (!transposes) return view
  const order = [...view.shape.keys()]
  return transposeView(view, [...order.slice(0, -2), length - 1, length - 2])
}

function insertAxis(view: View, axis: number): View {
  return { ...view, shape: view.shape.toSpliced(axis, 0, 1), strides: view.strides.toSpliced(axis, 0, 1) }
}

/** Operands whose leading axes lie too unevenly are copied: side by side they count as one axis. */
function inOneLaunch(args: MatrixProductArgs, context: Lowering): MatrixProductArgs {
  if (canMultiply(args)) return args
  const { a, b, output, epilogue } = args
  const whole = (view: View) => {
    const leading = [...output.shape.slice(0, -2), ...view.shape.slice(-2)]
    return context.contiguous(broadcastView(view, leading))
  }
  const residual = epilogue?.residual
  return {
    ...args,
    a: whole(a),
    b: args.packed ? b : whole(b),
    epilogue: { ...epilogue, residual: residual && { ...residual, view: context.contiguous(residual.view) } },
  }
}

const isWide = ({ integers }: Layer): boolean =>
  integers !== undefined && 'isWide' in integers.weight && integers.weight.isWide

/** Constant weights of one matrix as [columns, pitch]; undefined for others, which are read as they lie. */
function packedWeights(
  layer: Layer,
  { b, columns, depth, weightAxis }: ProductShape,
  precision: ProductPrecision,
  context: Lowering,
): View | undefined {
  if (weightAxis === undefined) return undefined
  const transposed = weightAxis === 1
  const packing = `product ${transposed ? 'transposed' : 'plain'}`
  const dtype = weightDTypes[precision]
  if (layer.integers) {
    const { weight } = layer.integers
    if (!('isWide' in weight)) return undefined
    // Sums of two int8 lie one behind the other.
    const wholeDepth = weight.isWide ? 2 * depth : depth
    const shape = [columns, packedDepth(wholeDepth, precision)]
    return context.packAll([weight.integers, weight.zeroPoints], packing, dtype, shape, (tensors) => {
      const levels = levelsOf(weight, tensors)
      const values = weight.isWide
        ? inTurns(summandsOf(levels), transposed ? levels.length : depth)
        : Int8Array.from(levels)
      return packMatrix(values, { columns, depth: wholeDepth, transposed }, precision)
    })
  }
  const operand = constantOperandOf(b, context.facts)
  if (!operand) return undefined
  const shape = [columns, packedDepth(depth, precision)]
  return context.packAll(operand.values, `${packing} ${operand.key} ${precision}`, dtype, shape, (tensors) =>
    packMatrix(operand.floats(tensors), { columns, depth, transposed }, precision),
  )
}
