import type { Value } from '@lowlat/onnx'
import type { Unit } from './unit.ts'

/** Which unit computes a value. */
export function producersOf(units: readonly Unit[]): Map<Value, Unit> {
  return new Map(units.flatMap((unit) => unit.outputs.map((output): [Value, Unit] => [output, unit])))
}

/** Which units read a value. */
export function readersOf(units: readonly Unit[]): Map<Value, Unit[]> {
  const readers = new Map<Value, Unit[]>()
  for (const unit of units) {
    for (const input of unit.inputs) {
      const list = readers.get(input)
      if (list) list.push(unit)
      else readers.set(input, [unit])
    }
  }
  return readers
}

/** The units, each behind those that it reads from; the given order where that is possible. Units must be free of cycles. */
export function orderUnits(units: readonly Unit[]): Unit[] {
  const producers = producersOf(units)
  const done = new Set<Unit>()
  const order: Unit[] = []
  for (const first of units) {
    // A stack instead of recursion: graphs are thousands of nodes deep.
    const stack = [first]
    for (let unit = stack.at(-1); unit; unit = stack.at(-1)) {
      if (done.has(unit)) {
        stack.pop()
        continue
      }
      const waiting = unit.inputs
        .map((input) => producers.get(input))
        .find((producer) => producer && !done.has(producer))
      if (waiting) {
        stack.push(waiting)
        continue
      }
      done.add(unit)
      order.push(unit)
      stack.pop()
    }
  }
  return order
}

/**
 * Units in turns: all of the device that depend on no host, then hosts that depend on those alone, and so on. Turns of the
 * host can run as one step each, and there are as few as the longest chain of changes needs.
 */
export function turnsOf(units: readonly Unit[]): Unit[][] {
  const producers = producersOf(units)
  const turn = new Map<Unit, number>()
  const turns: Unit[][] = []
  for (const unit of orderUnits(units)) {
    let own = unit.kind === 'device' ? 0 : 1
    for (const input of unit.inputs) {
      const producer = producers.get(input)
      if (producer) own = Math.max(own, turn.get(producer)! + (producer.kind === unit.kind ? 0 : 1))
    }
    turn.set(unit, own)
    while (turns.length <= own) turns.push([])
    turns[own]!.push(unit)
  }
  return turns.filter((list) => list.length > 0)
}
