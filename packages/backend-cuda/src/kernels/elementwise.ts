import { type Launch, pointerTo } from '../program/launch.ts'
import { structLayout } from '../program/struct.ts'
import type { View } from '../program/view.ts'
import { divisorArguments, divisorFields } from './division.ts'
import { elementCode } from './elements.ts'
import { type Compute, type EncodedProgram, encodeProgram } from './elementwise-encoding.ts'
import type { Instruction, Operand } from './elementwise-program.ts'
import {
  broadcastStrides,
  checkedSize,
  type IterationAxis,
  isAligned,
  iterationArguments,
  iterationAxes,
  iterationFields,
  maxAxes,
} from './iteration.ts'

export type { Compute } from './elementwise-encoding.ts'

/** A chain of operations on corresponding elements, in one pass over memory. */
interface ElementwiseArgs {
  /** At most 6, broadcast to the outputs' shape as numpy does; any strides; any dtype of `elementCodes`. */
  readonly inputs: readonly View[]
  /** One or two of the same shape; any strides without repetition. Stored as Cast converts: floats to integers toward zero. */
  readonly outputs: readonly View[]
  /** At most 32 instructions; none for a copy or a cast. */
  readonly program: readonly Instruction[]
  /** What goes to each output: the last values of the program if absent. */
  readonly results?: readonly Operand[]
  /** What every value is held in: floats and bool in float32, integers and bool in int64. uint64 is read as int64 there. */
  readonly compute: Compute
}

const maxInputs = 6
const maxOutputs = 2
const operandCount = maxInputs + maxOutputs
const threads = 128
const slotBytes = 16
/** Neighbours that a thread takes. */
const elementsPerThread: Readonly<Record<Compute, number>> = { float32: 4, int64: 2, float64: 2 }
/** `Neighbours` of elementwise.cu. */
const neighbours = { strided: 0, aligned: 1, same: 2 }

export const elementwiseLayout = structLayout({
  inputs: ['pointer', maxInputs],
  outputs: ['pointer', maxOutputs],
  inputTypes: ['int32', maxInputs],
  outputTypes: ['int32', maxOutputs],
  neighbours: ['int32', operandCount],
  inputCount: 'int32',
  outputCount: 'int32',
  groups: 'int32',
  ...divisorFields('groupsPerRow'),
  ...iterationFields(operandCount),
  instructions: 'int32',
  code: ['uint32', 64],
  results: ['uint32', maxOutputs],
  constants: ['uint32', 64],
})

export function elementwise(args: ElementwiseArgs): Launch {
  const planned = planOf(args)
  if (typeof planned === 'string') throw new Error(`An element-wise kernel cannot hold this program: ${planned}.`)
  const { inputs, outputs, program, compute } = args
  const { axes, encoded } = planned
  const count = elementsPerThread[compute]
  const rows = checkedSize(outputs[0]!.shape) / axes[0]!.size
  const groupsPerRow = Math.ceil(axes[0]!.size / count)
  const groups = rows * groupsPerRow
  const places = placedOperands(args)
  const modes = places.map(({ view, operand }) => neighboursOf(view, operand, axes, count))
  const iteration = iterationArguments(axes, operandCount)
  return {
    kernel: `elementwise_${compute}`,
    layout: elementwiseLayout,
    grid: [Math.ceil(groups / threads), 1, 1],
    threads,
    sharedBytes: encoded.slots * threads * slotBytes,
    arguments: {
      inputs: inputs.map(pointerTo),
      outputs: outputs.map(pointerTo),
      inputTypes: inputs.map(elementCode),
      outputTypes: outputs.map(elementCode),
      neighbours: spread(places, modes),
      inputCount: inputs.length,
      outputCount: outputs.length,
      groups,
      ...divisorArguments('groupsPerRow', groupsPerRow),
      ...iteration,
      instructions: encoded.instructions,
      code: encoded.code,
      results: encoded.results,
      constants: encoded.constants,
    },
    reads: inputs.map(({ buffer }) => buffer),
    writes: outputs.map(({ buffer }) => buffer),
    tactic: `${compute} ${program.map(({ operation }) => operation).join(' ') || 'copy'}`,
  }
}

/** Whether a program is within what the kernel holds: instructions, constants, values that are alive at once, and axes. */
export function fitsElementwise(args: ElementwiseArgs): boolean {
  return args.inputs.length <= maxInputs && args.outputs.length <= maxOutputs && typeof planOf(args) === 'object'
}

function planOf(args: ElementwiseArgs): { axes: IterationAxis[]; encoded: EncodedProgram } | string {
  const { inputs, outputs, program, compute } = args
  if (inputs.length > maxInputs) return `${inputs.length} inputs are more than ${maxInputs}`
  if (outputs.length < 1 || outputs.length > maxOutputs) return `${outputs.length} outputs are not 1 or ${maxOutputs}`
  const { shape } = outputs[0]!
  const results = args.results ?? outputs.map((_, i) => inputs.length + program.length - outputs.length + i)
  if (results.length !== outputs.length) throw new Error(`${outputs.length} outputs want as many results.`)
  const places = placedOperands(args)
  const order = [...places.slice(inputs.length), ...places.slice(0, inputs.length)]
  const sorted = iterationAxes(
    shape,
    order.map(({ view }) => broadcastStrides(view, shape)),
  )
  if (sorted.length > maxAxes) return `${sorted.length} axes are more than ${maxAxes}`
  const axes = sorted.map(({ size, strides }) => ({ size, strides: spread(order, strides) }))
  const encoded = encodeProgram(inputs.length, program, results, compute)
  return typeof encoded === 'string' ? encoded : { axes, encoded }
}

interface Placed {
  readonly view: View
  /** Index in the arrays of the struct: inputs from 0, outputs from 6 on. */
  readonly operand: number
}

function placedOperands({ inputs, outputs }: ElementwiseArgs): Placed[] {
  return [
    ...inputs.map((view, operand) => ({ view, operand })),
    ...outputs.map((view, index) => ({ view, operand: maxInputs + index })),
  ]
}

/** Values by their operand's index. */
function spread(places: readonly Placed[], values: readonly number[]): number[] {
  const all = new Array<number>(operandCount).fill(0)
  for (const [index, { operand }] of places.entries()) all[operand] = values[index]!
  return all
}

function neighboursOf(view: View, operand: number, axes: readonly IterationAxis[], count: number): number {
  if (isAligned(view, operand, axes, count)) return neighbours.aligned
  return axes[0]!.strides[operand] === 0 && axes[0]!.size > 1 ? neighbours.same : neighbours.strided
}
