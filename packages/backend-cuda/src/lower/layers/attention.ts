import type { DType } from '@lowlat/core'
import { type AttentionArgs, attention, whyNotAttention } from '../../kernels/attention.ts'
import { rowMajorStrides, type View } from '../../program/view.ts'
import type { Facts } from '../facts.ts'
import type { Lowering } from '../lowering.ts'
import { broadcastView, transposeView } from '../views.ts'
import type { AttentionMatch } from './attention-match.ts'

/** Whether the kernels hold heads of this size, however they lie. */
export function canAttend({ query, output }: AttentionMatch, facts: Facts): boolean {
  const headSize = facts.shape(query).at(-1)!
  const shape = facts.shape(output)
  const dtype = facts.storageOf(output)
  const buffer = { kind: 'temporary', name: 'heads', sizeBytes: 0 } as const
  const view = fourAxes({ buffer, dtype, shape, strides: rowMajorStrides(shape), offset: 0 })
  const args = { precision: precisionOf(dtype), query: view, key: view, value: view, output: view, scale: 1 }
  return headSize === shape.at(-1) && whyNotAttention({ ...args, device: facts.device }) === undefined
}

export function lowerAttention(match: AttentionMatch, context: Lowering): void {
  const { facts } = context
  const dtype = facts.storageOf(match.output)
  const leading = facts.shape(match.output).slice(0, -2)
  const swapped = (view: View) => {
    const { length } = view.shape
    return transposeView(view, [...[...view.shape.keys()].slice(0, -2), length - 1, length - 2])
  }
  const heads = (view: View) =>
    fourAxes(broadcastView(context.inForm(view, { dtype }), [...leading, ...view.shape.slice(-2)]))
  const operands = readable(
    {
      precision: precisionOf(dtype),
      query: heads(context.viewOf(match.query)),
      key: heads(swapped(context.viewOf(match.key))),
      value: heads(context.viewOf(match.value)),
      scale: match.scale,
      mask: match.mask && fourAxes(broadcastView(context.viewOf(match.mask), match.scoresShape)),
      device: facts.device,
    },
    context,
  )
  const output = context.destinationFor(match.output, {
    dtype,
    // What follows reads the heads of a token side by side.
    layout: leading.length === 2 ? [0, 2, 1, 3] : 'row-major',
    accepts: (view) => whyNotAttention({ ...operands, output: fourAxes(view) }) === undefined,
  })
  context.emit(attention({ ...operands, output: fourAxes(output) }), { precision: operands.precision })
  context.define(match.output, output)
}

type Operands = Omit<AttentionArgs, 'output'>

const precisionOf = (dtype: DType): AttentionArgs['precision'] => (dtype === 'float16' ? 'fp16' : 'fp32')

/** Operands that the kernel cannot read where they lie are copied. */
function readable(operands: Operands, context: Lowering): Operands {
  const copied = (view: View) => {
    const alone = { ...operands, query: view, key: view, value: view, output: view, mask: undefined }
    return whyNotAttention(alone) === undefined ? view : context.contiguous(view)
  }
  const { query, key, value } = operands
  return { ...operands, query: copied(query), key: copied(key), value: copied(value) }
}

/** [B, H, S, D], with one batch where there is one leading axis. */
function fourAxes(view: View): View {
  if (view.shape.length === 4) return view
  return { ...view, shape: [1, ...view.shape], strides: [0, ...view.strides] }
}
