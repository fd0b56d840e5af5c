import { describe, expect, it } from 'vitest'
import type { HostStep, Program } from '../program/program.ts'
import { statusBuffer } from '../program/status.ts'
import type { DeviceBuffer, View } from '../program/view.ts'
import { bufferOf, stepOf } from '../testing/steps.ts'
import { type DevicePhase, type HostPhase, pruneProgram, scheduleOf } from './schedule.ts'

const buffer = (kind: DeviceBuffer['kind'], name: string, sizeBytes = 40) => bufferOf(kind, name, sizeBytes)

const viewOf = (of: DeviceBuffer, offset = 0): View => {
  return { buffer: of, dtype: 'float32', shape: [of.sizeBytes / 4], strides: [1], offset }
}

const binding = (of: DeviceBuffer) => ({ name: of.name, view: viewOf(of) })

const host = (name: string, inputs: DeviceBuffer[], outputs: (DeviceBuffer | string)[]): HostStep => ({
  kind: 'host',
  nodes: [name],
  operators: [name],
  model: new Uint8Array(),
  inputs: inputs.map(binding),
  outputs: outputs.map((output) => (typeof output === 'string' ? { name: output } : binding(output))),
})

const [x, unused] = [buffer('input', 'x'), buffer('input', 'unused')]
const [y, z] = [buffer('output', 'y'), buffer('output', 'z', 4)]
const [s, t, u] = [buffer('temporary', 's'), buffer('temporary', 't', 100), buffer('temporary', 'u')]

/** x -> s -> (host: t) -> y, with z computed at first and 'w' by the host alone; the host reads x as well. */
const mixed: Program = {
  inputs: [binding(x), binding(unused)],
  outputs: [binding(y), binding(z), { name: 'w' }],
  steps: [
    stepOf('first', [x], [s]),
    stepOf('other', [s], [z]),
    host('Det', [s, x], [t, 'w']),
    stepOf('last', [t], [y]),
  ],
}

describe('the schedule of a program', () => {
  const schedule = scheduleOf(mixed)
  const [before, middle, after] = schedule.phases as [DevicePhase, HostPhase, DevicePhase]

  it('is cut where the host takes over', () => {
    expect(schedule.phases.map(({ kind }) => kind)).toEqual(['device', 'host', 'device'])
    expect(before.steps.map(({ operator }) => operator)).toEqual(['first', 'other'])
    expect(after.steps.map(({ operator }) => operator)).toEqual(['last'])
  })

  it('copies what kernels read, what the host reads of the device, and what is wanted, as early as it is there', () => {
    const names = (list: readonly { name: string }[]) => list.map(({ name }) => name)
    expect(names(before.uploads)).toEqual(['x'])
    expect(names(before.downloads)).toEqual(['s', 'z'])
    expect(names(middle.downloaded)).toEqual(['s'])
    expect(names(after.uploads)).toEqual(['t'])
    expect(names(after.downloads)).toEqual(['y'])
    expect(names(schedule.downloads)).toEqual(['y', 'z'])
    expect(schedule.outputs).toEqual(['y', 'z', 'w'])
  })

  it('gives every copy memory of its own', () => {
    const transfers = [...before.uploads, ...before.downloads, ...after.uploads, ...after.downloads]
    const sorted = transfers.sort((a, b) => a.stagingOffset - b.stagingOffset)
    for (const [index, { stagingOffset, sizeBytes }] of sorted.entries()) {
      expect(stagingOffset % 64).toBe(0)
      expect(stagingOffset + sizeBytes).toBeLessThanOrEqual(sorted[index + 1]?.stagingOffset ?? schedule.stagingBytes)
    }
    expect(sorted.map(({ sizeBytes }) => sizeBytes).sort((a, b) => a - b)).toEqual([4, 40, 40, 40, 100])
  })

  it('knows whether kernels may report a status', () => {
    expect(schedule.usesStatus).toBe(false)
    const reporting = { ...mixed, steps: [stepOf('gather', [x], [s, statusBuffer]), ...mixed.steps] }
    expect(scheduleOf(reporting).usesStatus).toBe(true)
  })

  it('has no phase that does nothing', () => {
    const program: Program = { inputs: [binding(x)], outputs: [{ name: 'w' }], steps: [host('Det', [x], ['w'])] }
    expect(scheduleOf(program).phases).toMatchObject([{ kind: 'host', downloaded: [] }])
  })
})

describe('a program for some outputs', () => {
  const operators = (program: Program) =>
    program.steps.map((step) => (step.kind === 'host' ? step.operators[0] : step.operator))

  it('leaves out what they do not need', () => {
    expect(operators(pruneProgram(mixed, ['z']))).toEqual(['first', 'other'])
    expect(operators(pruneProgram(mixed, ['w']))).toEqual(['first', 'Det'])
    expect(operators(pruneProgram(mixed, ['y', 'z']))).toEqual(['first', 'other', 'Det', 'last'])
    expect(pruneProgram(mixed, ['z']).outputs.map(({ name }) => name)).toEqual(['z'])
  })

  it('keeps all that write parts of a buffer, and host steps that may hand on values', () => {
    const parts: Program = {
      inputs: [binding(x)],
      outputs: [binding(y), binding(z)],
      steps: [
        stepOf('left', [x], [u]),
        stepOf('right', [x], [u]),
        host('A', [x], ['a']),
        stepOf('sum', [u], [y]),
        host('B', [], [t]),
        stepOf('last', [t], [z]),
      ],
    }
    expect(operators(pruneProgram(parts, ['y']))).toEqual(['left', 'right', 'sum'])
    expect(operators(pruneProgram(parts, ['z']))).toEqual(['A', 'B', 'last'])
  })
})
