import { normalize } from '../../kernels/normalize.ts'
import { axisOrder } from '../layout.ts'
import type { Lowering } from '../lowering.ts'
import { isInjective } from '../views.ts'
import type { LayerNormMatch } from './layer-norm-match.ts'
import { canStore } from './precision.ts'

export function lowerLayerNorm(match: LayerNormMatch, context: Lowering): void {
  const input = context.viewOf(match.input)
  const dtype = context.facts.storageOf(match.output)
  const output = context.destinationFor(match.output, {
    dtype,
    layout: axisOrder(input),
    accepts: (view) => canStore(view.dtype, dtype) && isInjective(view),
  })
  const scale = match.scale && context.viewOf(match.scale)
  const bias = match.bias && context.viewOf(match.bias)
  context.emit(normalize({ input, output, axes: match.axes, scale, bias, epsilon: match.epsilon }))
  context.define(match.output, output)
}
