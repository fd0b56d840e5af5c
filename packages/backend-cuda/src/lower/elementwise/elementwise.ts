import type { Node, Value } from '@lowlat/onnx'
import type { Compute } from '../../kernels/elementwise.ts'
import type { Facts } from '../facts.ts'
import type { ProgramBuilder, Term } from './builder.ts'

/** An operator that computes each element of its result from one element of each input. */
export interface Elementwise {
  /** What its values can be held in; `isInner` tells inputs that are computed in the same program. */
  computes(node: Node, facts: Facts, isInner: (value: Value) => boolean): readonly Compute[]
  /** Appends its instructions and gives its result. */
  build(node: Node, builder: ProgramBuilder): Term
}
