import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { cu, Harness, skipReason as reason } from './harness.ts'

/** Small numbers that every format here holds. */
function small(count: number, seed: number, low: number, high: number): number[] {
  let state = seed
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return low + ((state >>> 8) % (high - low + 1))
  })
}

const halfBits = (value: number): number => {
  // Exact for the integers that tests use.
  const [bits] = new Uint32Array(Float32Array.of(value).buffer)
  return value === 0
    ? 0
    : ((bits! >>> 16) & 0x8000) | ((((bits! >>> 23) & 0xff) - 112) << 10) | ((bits! >>> 13) & 0x3ff)
}

interface Format {
  readonly kernel: string
  readonly K: number
  /** Elements of a 32-bit register. */
  readonly perWord: number
  readonly pack: (values: number[]) => number
  readonly rangeA: readonly [number, number]
  readonly float: boolean
}

const bytes = (values: number[]): number => new Uint32Array(Uint8Array.from(values).buffer)[0]!
const formats: Format[] = [
  {
    kernel: 'product_f16',
    K: 16,
    perWord: 2,
    pack: ([lo, hi]) => (halfBits(lo!) | (halfBits(hi!) << 16)) >>> 0,
    rangeA: [-64, 63],
    float: true,
  },
  {
    kernel: 'product_tf32',
    K: 8,
    perWord: 1,
    pack: ([value]) => new Uint32Array(Float32Array.of(value!).buffer)[0]!,
    rangeA: [-512, 511],
    float: true,
  },
  { kernel: 'product_s8', K: 32, perWord: 4, pack: bytes, rangeA: [-128, 127], float: false },
  { kernel: 'product_u8s8', K: 32, perWord: 4, pack: bytes, rangeA: [0, 255], float: false },
]

/**
 * Where fragments lie, in the words of the PTX reference (mma.m16n8k16, k8, k32): groupID = lane / 4, threadID_in_group =
 * lane % 4, element i of a lane counted over its registers.
 */
function placeA(lane: number, i: number, perWord: number): [row: number, k: number] {
  const register = Math.floor(i / perWord)
  const row = (lane >> 2) + (register % 2 ? 8 : 0)
  const k = (lane % 4) * perWord + (i % perWord) + (register >= 2 ? 4 * perWord : 0)
  return [row, k]
}
function placeB(lane: number, i: number, perWord: number): [k: number, column: number] {
  const register = Math.floor(i / perWord)
  return [(lane % 4) * perWord + (i % perWord) + register * 4 * perWord, lane >> 2]
}
function placeD(lane: number, i: number): [row: number, column: number] {
  return [(lane >> 2) + (i >= 2 ? 8 : 0), (lane % 4) * 2 + (i & 1)]
}

function fragments(registers: number, { perWord, pack }: Format, at: (lane: number, i: number) => number): Uint32Array {
  const words = new Uint32Array(32 * registers)
  for (let lane = 0; lane < 32; lane++)
    for (let register = 0; register < registers; register++) {
      const values = Array.from({ length: perWord }, (_, i) => at(lane, register * perWord + i))
      words[lane * registers + register] = pack(values)
    }
  return words
}

describe.skipIf(reason)(`primitives of the CUDA simulator${reason ? ` (${reason})` : ''}`, () => {
  let sim: Harness
  beforeAll(async () => {
    sim = await Harness.build('primitives')
  }, 300_000)

  describe.each([0, 1, 2, 3])('with seed %i', (seed) => {
    beforeEach(() => {
      sim.start()
      sim.control.setSeed(seed)
    })

    test.each(formats)('$kernel is d + a b in the fragments of mma.sync', (format) => {
      const { kernel, K, perWord, rangeA, float } = format
      const a = small(16 * K, 1 + seed, ...rangeA)
      const b = small(K * 8, 2 + seed, -128, 127)
      const c = small(16 * 8, 3 + seed, -1000, 1000)
      const wordsA = fragments(4, format, (lane, i) => {
        const [row, k] = placeA(lane, i, perWord)
        return a[row * K + k]!
      })
      const wordsB = fragments(2, format, (lane, i) => {
        const [k, column] = placeB(lane, i, perWord)
        return b[k * 8 + column]!
      })
      const Numbers = float ? Float32Array : Int32Array
      const d = new Numbers(128)
      for (let lane = 0; lane < 32; lane++)
        for (let i = 0; i < 4; i++) {
          const [row, column] = placeD(lane, i)
          d[lane * 4 + i] = c[row * 8 + column]!
        }
      const sums = sim.upload(d)
      expect(sim.run({ kernel, parameters: [sim.upload(wordsA), sim.upload(wordsB), sums] })).toBe(cu.success)
      sim.download(sums, d)

      const expected = new Numbers(128)
      const received = new Numbers(128)
      for (let lane = 0; lane < 32; lane++)
        for (let i = 0; i < 4; i++) {
          const [row, column] = placeD(lane, i)
          received[row * 8 + column] = d[lane * 4 + i]!
        }
      for (let row = 0; row < 16; row++)
        for (let column = 0; column < 8; column++) {
          let sum = c[row * 8 + column]!
          for (let k = 0; k < K; k++) sum += a[row * K + k]! * b[k * 8 + column]!
          expected[row * 8 + column] = sum
        }
      expect(received).toEqual(expected)
    })

    test('integer products wrap around', () => {
      const words = new Uint32Array(128).fill(0x01010101)
      const sums = sim.upload(new Int32Array(128).fill(0x7fffffff))
      const b = sim.upload(words.subarray(0, 64))
      expect(sim.run({ kernel: 'product_s8', parameters: [sim.upload(words), b, sums] })).toBe(cu.success)
      expect(sim.download(sums, new Int32Array(128))).toEqual(new Int32Array(128).fill(0x7fffffff + 32))
    })

    test('ldmatrix distributes rows, and columns when transposed', () => {
      const rows = Uint16Array.from({ length: 256 }, (_, i) => i * 7)
      const out = sim.upload(new Uint32Array(512))
      const launch = { kernel: 'load_matrices', sharedBytes: 512, parameters: [sim.upload(rows), out] }
      expect(sim.run(launch)).toBe(cu.success)
      const received = sim.download(out, new Uint32Array(512))
      const half = (matrix: number, row: number, column: number) => rows[(matrix * 8 + row) * 8 + column]!
      for (let lane = 0; lane < 32; lane++)
        for (let matrix = 0; matrix < 4; matrix++) {
          const [row, column] = [lane >> 2, (lane % 4) * 2]
          const plain = half(matrix, row, column) | (half(matrix, row, column + 1) << 16)
          const transposed = half(matrix, column, row) | (half(matrix, column + 1, row) << 16)
          const at = lane * 4 + matrix
          expect([received[at], received[256 + at]]).toEqual([plain >>> 0, transposed >>> 0])
          if (matrix < 2) expect([received[128 + at], received[384 + at]]).toEqual([plain >>> 0, transposed >>> 0])
        }
    })

    test('shuffles exchange values within each warp', () => {
      const out = sim.upload(new Int32Array(192))
      expect(sim.run({ kernel: 'shuffles', threads: 64, parameters: [out] })).toBe(cu.success)
      const received = sim.download(out, new Int32Array(192))
      for (let thread = 0; thread < 64; thread++) {
        const [lane, first] = [thread % 32, thread - (thread % 32)]
        expect(received[thread]).toBe(100 + first + 5)
        expect(received[64 + thread]).toBe(100 + first + (lane ^ 8))
        expect(received[128 + thread]).toBe(100 + first + (lane + 3 < 32 ? lane + 3 : lane))
      }
    })

    test('copies to shared memory arrive after wait and barrier, zeros where not valid', () => {
      const threads = 256
      const input = Uint32Array.from({ length: threads * 4 }, (_, i) => i + 1)
      const out = sim.upload(new Uint32Array(threads * 4))
      const parameters = [sim.upload(input), out, { int32: 200 }]
      expect(sim.run({ kernel: 'copy_through_shared', threads, sharedBytes: threads * 16, parameters })).toBe(
        cu.success,
      )
      const received = sim.download(out, new Uint32Array(threads * 4))
      const expected = input.map((_, i) => {
        const from = (Math.floor(i / 4) + 1) % threads
        return from < 200 ? input[from * 4 + (i % 4)]! : 0
      })
      expect(received).toEqual(expected)
    })

    test('atomics of all blocks add up, and exactly one block is the last', () => {
      const out = sim.upload(new Uint32Array(4))
      const parameters = [out, out + 4, out + 8, out + 12]
      expect(sim.run({ kernel: 'count_blocks', grid: [40, 1, 1], threads: 64, parameters })).toBe(cu.success)
      const received = sim.download(out, new Int32Array(4))
      expect(new Float32Array(received.buffer)[0]).toBe(40 * 64 * 0.5)
      expect([...received.subarray(1)]).toEqual([40, 1, 3963])
    })

    test('every thread of every block runs once, with its indices', () => {
      const count = 2 * 3 * 4 * 96
      const out = sim.upload(new Uint32Array(count))
      expect(sim.run({ kernel: 'indices', grid: [4, 3, 2], threads: 96, parameters: [out] })).toBe(cu.success)
      const expected = Uint32Array.from({ length: count }, (_, i) => {
        const [block, thread] = [Math.floor(i / 96), i % 96]
        const [x, y, z] = [block % 4, Math.floor(block / 4) % 3, Math.floor(block / 12)]
        return z * 1000000 + y * 100000 + x * 10000 + Math.floor(thread / 32) * 100 + (thread % 32)
      })
      expect(sim.download(out, new Uint32Array(count))).toEqual(expected)
    })
  })

  describe('numbers', () => {
    beforeEach(() => sim.start())

    function convert(kernel: string, input: ArrayBufferView, count: number, output: ArrayBufferView): void {
      const out = sim.upload(output)
      const parameters = [sim.upload(input), out, { int32: count }]
      const grid = [Math.ceil(count / 256), 1, 1] as const
      expect(sim.run({ kernel, grid, threads: 256, parameters })).toBe(cu.success)
      sim.download(out, output)
    }

    /** The value of half bits by its definition: sign, five bits of exponent, ten of fraction. */
    function valueOfHalf(bits: number): number {
      const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023]
      if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
      return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24)
    }

    test('all halves have their values', () => {
      const bits = Uint16Array.from({ length: 65536 }, (_, i) => i)
      const values = new Float32Array(2 * 65536)
      convert('halves_to_floats', bits, 65536, values)
      const expected = Float32Array.from(bits, valueOfHalf)
      expect(values.subarray(0, 65536)).toEqual(expected)
      expect(values.subarray(65536)).toEqual(expected)
    })

    test('floats round to the nearest half, and to the even one in the middle', () => {
      // Every finite half, what lies midway to the next, and the floats beside that.
      const floats: number[] = []
      const expected: number[] = []
      for (let bits = 0; bits < 0x7c00; bits++) {
        const [here, next] = [valueOfHalf(bits), bits === 0x7bff ? 65536 : valueOfHalf(bits + 1)]
        const middle = (here + next) / 2
        const [word] = new Uint32Array(Float32Array.of(middle).buffer)
        const [below, above] = new Float32Array(Uint32Array.of(word! - 1, word! + 1).buffer)
        floats.push(here, -here, middle, -middle, below!, above!)
        const even = bits % 2 ? bits + 1 : bits
        expected.push(bits, bits | 0x8000, even, even | 0x8000, bits, bits + 1)
      }
      floats.push(Infinity, -Infinity, 3e38, 1e-30, -0)
      expected.push(0x7c00, 0xfc00, 0x7c00, 0, 0x8000)
      const halves = new Uint16Array(2 * floats.length)
      convert('floats_to_halves', Float32Array.from(floats), floats.length, halves)
      expect(halves.subarray(0, floats.length)).toEqual(Uint16Array.from(expected))
      expect(halves.subarray(floats.length)).toEqual(Uint16Array.from(expected))
    })

    test('a NaN stays one as a half', () => {
      const halves = new Uint16Array(2)
      convert('floats_to_halves', Float32Array.of(Number.NaN), 1, halves)
      expect([...halves].map(valueOfHalf)).toEqual([Number.NaN, Number.NaN])
    })

    test('TF32 keeps ten bits of mantissa, ties away from zero', () => {
      const input = Float32Array.of(1, 1 + 2 ** -10, 1 + 2 ** -11, -1 - 2 ** -11, 1 + 2 ** -12, 2 - 2 ** -20, Infinity)
      const words = new Uint32Array(input.length)
      convert('floats_to_tf32', input, input.length, words)
      const rounded = new Float32Array(words.buffer)
      expect([...rounded]).toEqual([1, 1 + 2 ** -10, 1 + 2 ** -10, -1 - 2 ** -10, 1, 2, Infinity])
    })

    test('products and sums are rounded apart, and once when fused', () => {
      const x = 1 + 2 ** -12
      const input = Float32Array.of(x, x, -1, 3, 5, 7)
      const out = new Float32Array(4)
      convert('rounding', input, 2, out)
      expect([...out]).toEqual([2 ** -11, 22, 2 ** -11 + 2 ** -24, 22])
    })
  })
})
