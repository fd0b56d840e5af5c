import type { DeviceFacts } from '../program/constants.ts'
import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'
import type { Epilogue } from './epilogue.ts'
import { type ProductPrecision, packedDepth } from './packing.ts'
import type { PlaceStrides } from './planes.ts'
import { type ProductArgs, product, productTacticNames } from './product.ts'

/** output = alpha a b + ..., over leading axes that broadcast where a stride is 0. */
export interface MatrixProductArgs {
  readonly precision: ProductPrecision
  /** [..., M, K], any strides; dtypes as for a convolution's input. */
  readonly a: View
  /**
   * [..., K, N] with any strides, of the same dtype class as a; or with `packed` [N, pitch] as `packMatrix` made it.
   * int8 wants int8 here.
   */
  readonly b: View
  readonly packed: boolean
  /** [..., M, N] */
  readonly output: View
  readonly epilogue?: Epilogue | undefined
  readonly device: DeviceFacts
  readonly tactic?: string | undefined
  /** As for a convolution. */
  readonly splitDepth?: boolean | undefined
}

/** One launch that computes a matrix product, or a batch of them, with what follows it. */
export function matrixProduct(args: MatrixProductArgs): Launch {
  return product(productOf(args))
}

/** Names of the kernels that can compute this product, best guess first: `tactic` takes one of them. */
export function matrixProductTactics(args: MatrixProductArgs): string[] {
  return productTacticNames(productOf(args))
}

/** Whether the leading axes are few enough for one launch after those that lie evenly have been joined. */
export function canMultiply(args: Pick<MatrixProductArgs, 'a' | 'b' | 'packed' | 'output' | 'epilogue'>): boolean {
  return placeAxes(leadingAxes(args)) !== undefined
}

/** A leading axis and how far it moves in each operand. */
interface Axis {
  readonly extent: number
  readonly a: number
  readonly b: number
  readonly output: number
  readonly residual: number
}

const operands = ['a', 'b', 'output', 'residual'] as const

const nowhere: Axis = { extent: 1, a: 0, b: 0, output: 0, residual: 0 }

function productOf(args: MatrixProductArgs): ProductArgs {
  const { precision, a, b, packed, output, epilogue = {} } = args
  const [rows, columns] = output.shape.slice(-2) as [number, number]
  const depth = a.shape.at(-1)!
  const residual = epilogue.residual?.view
  checkShapes(args, rows, columns, depth)
  const axes = placeAxes(leadingAxes(args))
  if (!axes) throw new Error(`The leading axes of [${a.shape}] x [${b.shape}] are too many for one launch.`)
  const [images, lines, outer, inner] = axes
  const places = (operand: (typeof operands)[number], view: View | undefined): PlaceStrides => ({
    image: images[operand],
    line: lines[operand],
    pixel: view && rows > 1 ? view.strides.at(-2)! : 0,
    channel: view ? (view.shape.at(-1) === 1 ? 1 : view.strides.at(-1)!) : 0,
  })
  return {
    precision,
    input: a,
    weights: b,
    output,
    epilogue,
    device: args.device,
    tactic: args.tactic,
    splitDepth: args.splitDepth,
    batch: [outer.extent, inner.extent],
    images: images.extent,
    lines: lines.extent,
    lineWidth: rows,
    columns,
    channels: depth,
    // Rows are read as pixels of a 1 x 1 convolution.
    height: lines.extent,
    width: rows,
    kernel: [1, 1],
    strides: [1, 1],
    dilations: [1, 1],
    padsBefore: [0, 0],
    paddingValue: 0,
    inputPlaces: places('a', a),
    outputPlaces: places('output', output),
    residualPlaces: places('residual', residual),
    weightsStrides: packed
      ? { column: b.strides[0]!, depth: 1 }
      : { column: columns > 1 ? b.strides.at(-1)! : 1, depth: depth > 1 ? b.strides.at(-2)! : 1 },
    weightsPadded: packed,
    inputBatch: [outer.a, inner.a],
    weightsBatch: [outer.b, inner.b],
    outputBatch: [outer.output, inner.output],
    residualBatch: [outer.residual, inner.residual],
    innerChannels: 0,
  }
}

function checkShapes(
  { precision, a, b, packed, output, epilogue }: MatrixProductArgs,
  rows: number,
  columns: number,
  depth: number,
): void {
  const matches = packed
    ? b.shape.length === 2 && b.shape[0] === columns && b.shape[1] === packedDepth(depth, precision)
    : b.shape.at(-2) === depth && b.shape.at(-1) === columns
  const residual = epilogue?.residual?.view
  const residualMatches = !residual || String(residual.shape) === String(output.shape)
  if (a.shape.at(-2) !== rows || !matches || !residualMatches)
    throw new Error(
      `[${a.shape}] x ${packed ? 'packed ' : ''}[${b.shape}] is not [${output.shape}]` +
        `${residual ? ` with a residual [${residual.shape}]` : ''}.`,
    )
}

/** Leading axes of more than one element, neighbours joined where they lie evenly in every operand. */
function leadingAxes({
  a,
  b,
  packed,
  output,
  epilogue,
}: Pick<MatrixProductArgs, 'a' | 'b' | 'packed' | 'output' | 'epilogue'>): Axis[] {
  const rank = output.shape.length
  const strideOf = (view: View | undefined, axis: number) => {
    const own = view ? axis - (rank - view.shape.length) : -1
    return own < 0 || view!.shape[own] === 1 ? 0 : view!.strides[own]!
  }
  const joined: Axis[] = []
  for (let axis = 0; axis < rank - 2; axis++) {
    const extent = output.shape[axis]!
    if (extent === 1) continue
    const next: Axis = {
      extent,
      a: strideOf(a, axis),
      b: packed ? 0 : strideOf(b, axis),
      output: strideOf(output, axis),
      residual: strideOf(epilogue?.residual?.view, axis),
    }
    const last = joined.at(-1)
    if (last && operands.every((operand) => last[operand] === next[operand] * extent))
      joined[joined.length - 1] = { ...next, extent: last.extent * extent }
    else joined.push(next)
  }
  return joined
}

/** Axes along which b stays become rows (images and lines), the others the batch; two of each at most. */
function placeAxes(axes: readonly Axis[]): [images: Axis, lines: Axis, outer: Axis, inner: Axis] | undefined {
  const staying = axes.filter(({ b }) => b === 0)
  const batch = [...axes.filter(({ b }) => b !== 0), ...staying.slice(2)]
  if (batch.length > 2) return undefined
  const [lines = nowhere, images = nowhere] = staying.slice(0, 2).reverse()
  const [inner = nowhere, outer = nowhere] = batch.reverse()
  return [images, lines, outer, inner]
}
