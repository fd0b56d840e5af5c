import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { cu, Harness, skipReason as reason } from './harness.ts'
import { isSanitized } from './sanitized.ts'

const seeds = [1, 2, 3, 4, 5, 6, 7, 8]

describe.skipIf(reason)(`mistakes in kernels${reason ? ` (${reason})` : ''}`, () => {
  let sim: Harness
  beforeAll(async () => {
    sim = await Harness.build('bugs')
  }, 300_000)
  beforeEach(() => sim.start())

  const threads = 128
  const input = Int32Array.from({ length: threads }, (_, i) => i + 1)

  /** Whether a kernel that should reverse the input, times `factor`, does. */
  function reverses(kernel: string, seed: number, factor = 1): boolean {
    sim.control.setSeed(seed)
    const out = sim.upload(new Int32Array(threads))
    const launch = { kernel, threads, sharedBytes: threads * 4, parameters: [sim.upload(input), out] }
    expect(sim.run(launch)).toBe(cu.success)
    const expected = input.map((value) => (threads + 1 - value) * factor)
    return sim.download(out, new Int32Array(threads)).every((value, i) => value === expected[i])
  }

  test.each(['missing_barrier', 'lax_wait', 'copies_without_barrier'])(
    '%s gives wrong results in every order',
    (kernel) => {
      expect(reverses(kernel, 0)).toBe(false)
      for (const seed of seeds) expect(reverses(kernel, seed)).toBe(false)
    },
  )

  test('a missing barrier after reading is found by shuffling', () => {
    expect(seeds.some((seed) => !reverses('missing_second_barrier', seed, 10))).toBe(true)
  })

  test('copies onto what others still read are found by landing them early', () => {
    expect(seeds.some((seed) => !reverses('copies_land_on_readers', seed))).toBe(true)
  })

  test('updates that blocks lose without atomics are found by shuffling', () => {
    const counted = (seed: number) => {
      sim.control.setSeed(seed)
      const out = sim.upload(new Int32Array(1))
      expect(sim.run({ kernel: 'lost_update', grid: [20, 1, 1], parameters: [0, out] })).toBe(cu.success)
      return sim.download(out, new Int32Array(1))[0]!
    }
    for (const seed of seeds) expect(counted(seed)).toBeLessThan(20 * 32)
  })

  /** What a chain of kernels, each launched to start early, makes of zeros; from a graph or a stream. */
  function chain(kernel: string, seed: number, captured: boolean): number[] {
    sim.start()
    sim.control.setSeed(seed)
    const stream = sim.out('cuStreamCreate', 1)
    const buffers = Array.from({ length: 4 }, () => sim.upload(new Int32Array(threads)))
    if (captured) sim.check('cuStreamBeginCapture_v2', stream, 1)
    else sim.control.hold(true)
    for (let i = 0; i < 3; i++) {
      const parameters = [buffers[i]!, buffers[i + 1]!]
      expect(sim.launch({ kernel, threads, parameters, stream, programmatic: true })).toBe(cu.success)
    }
    if (captured) {
      const graph = new BigUint64Array(1)
      sim.check('cuStreamEndCapture', stream, graph)
      sim.check('cuGraphLaunch', sim.out('cuGraphInstantiateWithFlags', graph[0]!, 0), stream)
    } else sim.control.hold(false)
    sim.check('cuStreamSynchronize', stream)
    return [...new Set(sim.download(buffers[3]!, new Int32Array(threads)))]
  }

  test.each([true, false])(
    'reading before waiting for the kernel ahead is found by shuffling (captured: %s)',
    (captured) => {
      for (const seed of [0, ...seeds]) expect(chain('add_one', seed, captured)).toEqual([3])
      for (const seed of seeds) expect(chain('add_one_early', seed, captured)).not.toEqual([3])
    },
  )

  test('the same seed gives the same wrong result again', () => {
    const results = [5, 5, 6].map((seed) => {
      sim.start()
      sim.control.setSeed(seed)
      const out = sim.upload(new Int32Array(threads))
      sim.run({ kernel: 'missing_barrier', threads, sharedBytes: threads * 4, parameters: [sim.upload(input), out] })
      return [...sim.download(out, new Int32Array(threads))]
    })
    expect(results[1]).toEqual(results[0])
    expect(results[2]).not.toEqual(results[0])
  })

  /** What a kernel ends with, in order and shuffled, and the message about it. */
  function expectFailure(kernel: string, parameters: (number | bigint)[], result: number, message: RegExp): void {
    for (const seed of [0, 1, 2]) {
      sim.start()
      sim.control.setSeed(seed)
      const out = sim.upload(new Int32Array(threads))
      const launch = { kernel, threads, sharedBytes: 512, parameters: parameters.map((value) => value || out) }
      expect(sim.run(launch)).toBe(result)
      expect(sim.control.message).toMatch(message)
      // Sticky: nothing works in the context any more.
      expect(sim.call('cuMemAlloc_v2', new BigUint64Array(1), 16)).toBe(result)
      expect(sim.call('cuCtxSynchronize')).toBe(result)
    }
    sim.start()
    expect(sim.call('cuCtxSynchronize')).toBe(cu.success)
  }

  test('threads that leave before a barrier end the kernel, not hang it', () => {
    expectFailure(
      'diverged_barrier',
      [0, 0],
      cu.launchFailed,
      /kernel diverged_barrier: .*64 are at a block barrier.*64 have ended/,
    )
  })

  test('lanes at different warp operations end the kernel', () => {
    expectFailure('diverged_warp', [0, 0], cu.launchFailed, /the warp diverged/)
  })

  test('a misaligned copy is reported', () => {
    expectFailure('misaligned_copy', [0, 4n], cu.misalignedAddress, /cp_async is not aligned to 16 bytes/)
  })

  // Under AddressSanitizer these end the process instead, with its report: see sanitized.test.ts.
  describe.skipIf(isSanitized())('access out of bounds', () => {
    test('a store just behind an allocation shows in its red zone', () => {
      const bytes = threads * 4 - 4 // leaves four bytes to the boundary of 256
      const out = sim.out('cuMemAlloc_v2', bytes)
      expect(sim.run({ kernel: 'store_anywhere', parameters: [out, BigInt(bytes / 4)] })).toBe(cu.illegalAddress)
      expect(sim.control.message).toMatch(
        /after kernel store_anywhere: byte 508 of an allocation of 508 bytes was written/,
      )
    })

    test('a store before an allocation shows too', () => {
      expectFailure('store_anywhere', [0, -2n], cu.illegalAddress, /5 bytes before an allocation of 512 bytes/)
    })

    test('a store or load far outside faults', () => {
      expectFailure(
        'store_anywhere',
        [0, 1n << 22n],
        cu.illegalAddress,
        /kernel store_anywhere: access to memory that is not/,
      )
      expectFailure('load_anywhere', [0, 128n], cu.illegalAddress, /kernel load_anywhere: access to memory that is not/)
    })

    test('a store outside of shared memory is reported', () => {
      expectFailure(
        'store_to_shared',
        [0, 130n],
        cu.illegalAddress,
        /byte 520 was written of 512 bytes of shared memory/,
      )
    })

    test('memory that was freed faults', () => {
      const out = sim.upload(new Int32Array(threads))
      sim.check('cuMemFree_v2', out)
      expect(sim.run({ kernel: 'store_anywhere', parameters: [out, 0n] })).toBe(cu.illegalAddress)
    })

    test('a full stack is reported', () => {
      expectFailure('full_stack', [0, 1000n], cu.launchFailed, /the stack of a simulated thread is full/)
    })
  })
})
