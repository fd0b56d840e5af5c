import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'
import type { Instruction, Operand } from './elementwise-program.ts'

/** What every value of a program is held in: floats and bool in float32, integers and bool in int64. */
export type Compute = 'float32' | 'int64' | 'float64'

/** A chain of operations on corresponding elements, in one pass over memory. */
export interface ElementwiseArgs {
  /** At most 6, broadcast to the outputs' shape as numpy does; any strides, any dtype that kernels store. */
  readonly inputs: readonly View[]
  /** One or two of the same shape; any strides without repetition. Stored as Cast converts: floats to integers toward zero. */
  readonly outputs: readonly View[]
  /** At most 32 instructions; none for a copy or a cast. */
  readonly program: readonly Instruction[]
  /** What goes to each output: the last values of the program if absent. */
  readonly results?: readonly Operand[]
  readonly compute: Compute
}

export declare function elementwise(args: ElementwiseArgs): Launch

/** Whether a program is within what the kernel holds: numbers of instructions, constants and values that are alive at once. */
export declare function fitsElementwise(args: ElementwiseArgs): boolean
