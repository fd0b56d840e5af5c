import { type Instruction, type Operand, type Operation, operations } from './elementwise-program.ts'

/** What programs are computed in. */
export type Compute = 'float32' | 'int64' | 'float64'

/** Slots of shared memory that a block may use for values. */
const maxSlots = 16
const maxInstructions = 32
const maxConstants = 32
const firstConstant = 32
const lastResult = 64
const nowhere = 255

/** A program as elementwise.cu reads it. */
export interface EncodedProgram {
  readonly instructions: number
  /** Two words per instruction. */
  readonly code: number[]
  /** Where each output is found. */
  readonly results: number[]
  /** Two words per constant, the lower half first. */
  readonly constants: number[]
  readonly slots: number
}

/**
 * Chooses where values are kept: inputs in slots, results that are read later than by the next instruction too, as long as they
 * are needed.
 * @returns why the kernel cannot hold the program, where it cannot.
 * @throws Error for a program that makes no sense.
 */
export function encodeProgram(
  inputs: number,
  program: readonly Instruction[],
  results: readonly Operand[],
  compute: Compute,
): EncodedProgram | string {
  if (program.length > maxInstructions) return `${program.length} instructions are more than ${maxInstructions}`
  const last = inputs + program.length - 1
  const readers = readersOf(inputs, program, results)
  const constants: number[] = []
  const free: number[] = []
  let slots = inputs
  const places = new Map<number, number>(Array.from({ length: inputs }, (_, input) => [input, input]))

  const placeOf = (operand: Operand, newest: number): number => {
    if (typeof operand === 'object') {
      let index = constants.findIndex((known) => Object.is(known, operand.constant))
      if (index < 0) index = constants.push(operand.constant) - 1
      return firstConstant + index
    }
    if (operand === newest && operand >= inputs) return lastResult
    const place = places.get(operand)
    if (place === undefined) throw new Error(`Value ${operand} of a program is read before it is computed.`)
    return place
  }

  const code = program.flatMap(({ operation, operands }, index) => {
    checkInstruction(operation, operands, compute)
    const value = inputs + index
    const sources = operands.map((operand) => placeOf(operand, value - 1))
    for (const [kept, place] of places) {
      if (Math.max(-1, ...readers.get(kept)!) <= index) {
        places.delete(kept)
        free.push(place)
      }
    }
    let place = nowhere
    if (readers.get(value)!.some((reader) => reader > index + 1)) {
      place = free.sort((a, b) => b - a).pop() ?? slots++
      places.set(value, place)
    }
    const [a = nowhere, b = nowhere, c = nowhere] = sources
    return [operations[operation].code | (place << 8), a | (b << 8) | (c << 16)]
  })
  const found = results.map((result) => placeOf(result, last))
  if (constants.length > maxConstants) return `${constants.length} constants are more than ${maxConstants}`
  if (slots > maxSlots) return `${slots} values at once are more than ${maxSlots}`
  return {
    instructions: program.length,
    code,
    results: found,
    constants: constants.flatMap((constant) => wordsOf(constant, compute)),
    slots,
  }
}

/** For each value the instructions that read it; results are read after the last one. */
function readersOf(
  inputs: number,
  program: readonly Instruction[],
  results: readonly Operand[],
): Map<number, number[]> {
  const readers = new Map(
    Array.from({ length: inputs + program.length }, (_, value): [number, number[]] => [value, []]),
  )
  const all = [...program.map(({ operands }) => operands), results]
  for (const [index, operands] of all.entries()) {
    for (const operand of operands) {
      if (typeof operand === 'object') continue
      const known = readers.get(operand)
      if (!known) throw new Error(`A program has no value ${operand}.`)
      known.push(index)
    }
  }
  return readers
}

function checkInstruction(operation: Operation, operands: readonly Operand[], compute: Compute): void {
  const { operands: count, types } = operations[operation]
  if (operands.length !== count) throw new Error(`'${operation}' takes ${count} operands, got ${operands.length}.`)
  if (!types.includes(compute)) throw new Error(`'${operation}' is not computed in ${compute}.`)
}

/** The bits of a number, the lower half first. */
function wordsOf(value: number, compute: Compute): [number, number] {
  const view = new DataView(new ArrayBuffer(8))
  if (compute === 'float32') view.setFloat32(0, value, true)
  else if (compute === 'float64') view.setFloat64(0, value, true)
  else view.setBigInt64(0, BigInt(value), true)
  return [view.getUint32(0, true), view.getUint32(4, true)]
}
