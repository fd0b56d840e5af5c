import { describe, expect, it } from 'vitest'
import type { Argument, Launch } from '../program/launch.ts'
import { structLayout } from '../program/struct.ts'
import type { DeviceBuffer } from '../program/view.ts'
import { packArguments } from './pack-arguments.ts'

const layout = structLayout({
  count: 'int32',
  input: 'pointer',
  scale: 'float32',
  sizes: ['int32', 3],
  total: 'int64',
  mask: 'uint32',
  more: ['pointer', 2],
})

const x: DeviceBuffer = { kind: 'input', name: 'x', sizeBytes: 64 }

const launch = (args: Readonly<Record<string, Argument>>): Launch => ({
  kernel: 'k',
  layout,
  grid: [1, 1, 1],
  threads: 32,
  sharedBytes: 0,
  arguments: args,
  reads: [],
  writes: [],
  tactic: '',
})

const pack = (args: Readonly<Record<string, Argument>>) => packArguments(launch(args), () => 0x7f00_1234_5678)

describe('the parameters of a kernel', () => {
  it('lie as C lays them out, little-endian, with addresses', () => {
    const bytes = pack({
      count: -2,
      input: { buffer: x, offsetBytes: 8 },
      scale: 0.5,
      sizes: [7, 9],
      total: -(2 ** 40),
      mask: 0xffff_ffff,
      more: [undefined, { buffer: x, offsetBytes: 0 }],
    })
    const view = new DataView(bytes.buffer)
    expect(bytes.byteLength).toBe(64)
    expect(view.getInt32(0, true)).toBe(-2)
    expect(view.getBigUint64(8, true)).toBe(0x7f00_1234_5680n)
    expect(view.getFloat32(16, true)).toBe(0.5)
    expect([20, 24, 28].map((at) => view.getInt32(at, true))).toEqual([7, 9, 0])
    expect(view.getBigInt64(32, true)).toBe(-(2n ** 40n))
    expect(view.getUint32(40, true)).toBe(0xffff_ffff)
    expect([48, 56].map((at) => view.getBigUint64(at, true))).toEqual([0n, 0x7f00_1234_5678n])
  })

  it.each([
    [{ other: 1 }, /no parameter 'other'/],
    [{ sizes: [1, 2, 3, 4] }, /has 3 elements, got 4/],
    [{ count: 2 ** 31 }, /cannot be 2147483648/],
    [{ count: 1.5 }, /cannot be 1.5/],
    [{ mask: -1 }, /cannot be -1/],
    [{ input: 5 }, /is a pointer, got a number/],
    [{ count: { buffer: x, offsetBytes: 0 } }, /is a int32, got a object/],
  ])('that do not fit are a mistake: %o', (args, message) => {
    expect(() => pack(args as Readonly<Record<string, Argument>>)).toThrow(message)
  })
})
