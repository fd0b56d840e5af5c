import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { addressOf, cu, Harness, skipReason as reason } from './harness.ts'

describe.skipIf(reason)(`the simulated CUDA driver${reason ? ` (${reason})` : ''}`, () => {
  let sim: Harness
  beforeAll(async () => {
    sim = await Harness.build('vector', 'primitives')
  }, 300_000)
  beforeEach(() => sim.start())

  const slot = () => new BigUint64Array(1)
  const addition = (stream = 0) => {
    const ones = sim.upload(new Float32Array(64).fill(1))
    const out = sim.upload(new Float32Array(64))
    const parameters = [ones, ones, out, { int32: 64 }]
    return { out, call: { kernel: 'add_floats', threads: 64, parameters, stream } }
  }

  describe('contexts', () => {
    test('nothing works before cuInit and without a current context', () => {
      sim.control.reset()
      expect(sim.call('cuDeviceGetCount', new Int32Array(1))).toBe(cu.notInitialized)
      sim.check('cuInit', 0)
      sim.check('cuCtxSetCurrent', 0)
      expect(sim.call('cuMemAlloc_v2', slot(), 16)).toBe(cu.invalidContext)
    })

    test('the last release destroys what is left and counts it', () => {
      sim.out('cuMemAlloc_v2', 100)
      sim.out('cuStreamCreate', 1)
      const context = sim.out('cuDevicePrimaryCtxRetain', 0)
      sim.check('cuDevicePrimaryCtxRelease_v2', 0)
      expect(sim.control.counts()).toMatchObject({ contexts: 1, streams: 1, deviceBytes: 100, leaked: 0 })
      sim.check('cuDevicePrimaryCtxRelease_v2', 0)
      // The module is the third.
      expect(sim.control.counts()).toMatchObject({ contexts: 0, streams: 0, deviceBytes: 0, leaked: 3 })
      expect(sim.call('cuMemAlloc_v2', slot(), 16)).toBe(cu.contextIsDestroyed)
      expect(sim.call('cuCtxSetCurrent', context)).toBe(cu.invalidContext)
      expect(sim.call('cuDevicePrimaryCtxRelease_v2', 0)).toBe(cu.invalidContext)
    })

    test('a thread has no current context until it is set; the stream serves unless told otherwise', async () => {
      const stream = sim.out('cuStreamCreate', 1)
      expect(await sim.inThread('cuMemAlloc_v2', slot(), 16)).toBe(cu.invalidContext)
      expect(await sim.inThread('cuStreamSynchronize', stream)).toBe(cu.success)
      sim.control.requireContext(true)
      expect(await sim.inThread('cuStreamSynchronize', stream)).toBe(cu.invalidContext)
      expect(sim.call('cuStreamSynchronize', stream)).toBe(cu.success)
    })

    test('the device is described', () => {
      const value = new Int32Array(1)
      const attribute = (number: number) => {
        sim.check('cuDeviceGetAttribute', value, number, 0)
        return value[0]
      }
      expect([75, 76, 16, 97, 10, 38].map(attribute)).toEqual([9, 0, 132, 227 * 1024, 32, 50 << 20])
      const name = new Uint8Array(64)
      sim.check('cuDeviceGetName', name, 64, 0)
      expect(Buffer.from(name).toString()).toMatch(/^cuda-sim 9\.0\0/)
    })
  })

  describe('memory', () => {
    test('fresh memory holds NaN, and is given back', () => {
      const address = sim.out('cuMemAlloc_v2', 64)
      expect(address % 256).toBe(0)
      expect(sim.download(address, new Float32Array(16))).toEqual(new Float32Array(16).fill(Number.NaN))
      sim.check('cuMemFree_v2', address)
      expect(sim.call('cuMemFree_v2', address)).toBe(cu.invalidValue)
      expect(sim.control.counts()).toMatchObject({ deviceAllocations: 0, deviceBytes: 0 })
    })

    test('a limit is kept', () => {
      sim.control.setMemoryLimit(1000)
      const address = sim.out('cuMemAlloc_v2', 600)
      expect(sim.call('cuMemAlloc_v2', slot(), 401)).toBe(cu.outOfMemory)
      const [free, total] = [slot(), slot()]
      sim.check('cuMemGetInfo_v2', free, total)
      expect([free[0], total[0]]).toEqual([400n, 1000n])
      sim.check('cuMemFree_v2', address)
      sim.out('cuMemAlloc_v2', 1000)
    })

    test('copies that leave an allocation are refused', () => {
      const [a, b] = [sim.out('cuMemAlloc_v2', 64), sim.out('cuMemAlloc_v2', 64)]
      const bytes = new Uint8Array(65)
      expect(sim.call('cuMemcpyHtoD_v2', a, bytes, 65)).toBe(cu.invalidValue)
      expect(sim.call('cuMemcpyDtoH_v2', bytes, a + 60, 8)).toBe(cu.invalidValue)
      expect(sim.call('cuMemcpyDtoDAsync_v2', a, b + 1, 64, 0)).toBe(cu.invalidValue)
      expect(sim.call('cuMemsetD8Async', a, 0, 65, 0)).toBe(cu.invalidValue)
      expect(sim.call('cuMemcpyHtoD_v2', a + 1, bytes, 63)).toBe(cu.success)
    })

    test('pinned memory has the same address on the device', () => {
      const pinned = sim.out('cuMemHostAlloc', 64, 2)
      expect(sim.out('cuMemHostGetDevicePointer_v2', pinned, 0)).toBe(pinned)
      const device = sim.upload(Uint8Array.from({ length: 64 }, (_, i) => i))
      const stream = sim.out('cuStreamCreate', 1)
      sim.check('cuMemcpyDtoHAsync_v2', pinned, device, 64, stream)
      sim.check('cuMemsetD8Async', device, 0, 64, stream)
      sim.check('cuMemcpyHtoDAsync_v2', device, pinned, 64, stream)
      sim.check('cuStreamSynchronize', stream)
      expect(sim.download(device, new Uint8Array(64))[63]).toBe(63)
      expect(sim.call('cuMemFree_v2', pinned)).toBe(cu.invalidValue)
      sim.check('cuMemFreeHost', pinned)
    })

    test('tells which memory it gave out, and from where to where', () => {
      const memoryType = 2
      const kinds = { host: 1, device: 2 }
      const pinned = sim.out('cuMemHostAlloc', 64, 0)
      const device = sim.upload(new Uint8Array(100))
      const kindOf = (address: number) => sim.out('cuPointerGetAttribute', memoryType, address)
      expect([kindOf(device), kindOf(device + 99), kindOf(pinned)]).toEqual([kinds.device, kinds.device, kinds.host])
      const slot = new Uint32Array(1)
      for (const other of [8, device + 100]) {
        expect(sim.call('cuPointerGetAttribute', slot, memoryType, other)).toBe(cu.invalidValue)
      }
      const range = [new BigUint64Array(1), new BigUint64Array(1)] as const
      sim.check('cuMemGetAddressRange_v2', ...range, device + 40)
      expect(range.map(([value]) => Number(value))).toEqual([device, 100])
      expect(sim.call('cuMemGetAddressRange_v2', ...range, device + 100)).toBe(cu.notFound)
    })

    test('a value is written in the order of the stream, to device and pinned memory', () => {
      const pinned = sim.out('cuMemHostAlloc', 8, 2)
      const device = sim.upload(Uint32Array.of(7, 8))
      const stream = sim.out('cuStreamCreate', 1)
      sim.check('cuStreamWriteValue32_v2', stream, device + 4, 0xfedcba98, 0)
      sim.check('cuMemcpyDtoHAsync_v2', pinned, device, 8, stream)
      sim.check('cuStreamWriteValue32_v2', stream, pinned, 9, 1)
      sim.check('cuMemcpyDtoDAsync_v2', device, pinned, 8, stream)
      sim.check('cuStreamSynchronize', stream)
      expect([...sim.download(device, new Uint32Array(2))]).toEqual([9, 0xfedcba98])
      const write = (address: number, flags = 0) => sim.call('cuStreamWriteValue32_v2', stream, address, 0, flags)
      expect([write(device + 2), write(device + 8), write(device, 2)]).toEqual(Array(3).fill(cu.invalidValue))
    })

    test('copies from pageable memory take their bytes at once', () => {
      const device = sim.out('cuMemAlloc_v2', 1024)
      const bytes = new Uint8Array(new ArrayBuffer(1024)).fill(5)
      sim.control.hold(true)
      const stream = sim.out('cuStreamCreate', 1)
      sim.check('cuMemcpyHtoDAsync_v2', device, addressOf(bytes), 1024, stream)
      bytes.fill(6)
      sim.control.hold(false)
      sim.check('cuStreamSynchronize', stream)
      expect(sim.download(device, new Uint8Array(1024))).toEqual(new Uint8Array(1024).fill(5))
    })
  })

  describe('kernels', () => {
    test('run with packed parameters', () => {
      const { out, call } = addition()
      expect(sim.run(call)).toBe(cu.success)
      expect(sim.download(out, new Float32Array(64))).toEqual(new Float32Array(64).fill(2))
    })

    test('wrong launches are refused', () => {
      const { call } = addition()
      expect(sim.launch({ ...call, threads: 1025 })).toBe(cu.invalidValue)
      expect(sim.launch({ ...call, threads: 0 })).toBe(cu.invalidValue)
      expect(sim.launch({ ...call, grid: [1, 65536, 1] })).toBe(cu.invalidValue)
      expect(sim.launch({ ...call, parameters: call.parameters.slice(1) })).toBe(cu.invalidValue)
      expect(sim.launch({ ...call, stream: 12345 })).toBe(cu.invalidHandle)
      expect(sim.launch({ kernel: 'bounded', threads: 65, parameters: [0] })).toBe(cu.invalidValue)
      expect(sim.call('cuModuleGetFunction', slot(), sim.module, 'no_such_kernel')).toBe(cu.notFound)
      expect(sim.call('cuModuleLoadData', slot(), Buffer.from('not an image\0'))).toBe(cu.invalidImage)
    })

    test('more than 48 KiB of shared memory must be asked for, up to 227', () => {
      const { call } = addition()
      const handle = sim.function('add_floats')
      const sharedBytes = 100 * 1024
      expect(sim.launch({ ...call, sharedBytes })).toBe(cu.invalidValue)
      expect(sim.call('cuFuncSetAttribute', handle, 8, 227 * 1024 + 1)).toBe(cu.invalidValue)
      sim.check('cuFuncSetAttribute', handle, 8, sharedBytes)
      expect(sim.run({ ...call, sharedBytes })).toBe(cu.success)
    })

    test('occupancy is limited by threads, shared memory and registers', () => {
      const handle = sim.function('bounded')
      sim.check('cuFuncSetAttribute', handle, 8, 200 * 1024)
      const blocks = new Int32Array(1)
      const occupancy = (threads: number, sharedBytes: number) => {
        sim.check('cuOccupancyMaxActiveBlocksPerMultiprocessor', blocks, handle, threads, sharedBytes)
        return blocks[0]
      }
      expect(occupancy(64, 0)).toBe(8) // 128 registers
      expect(occupancy(64, 100 * 1024)).toBe(2)
      expect(occupancy(64, 200 * 1024)).toBe(1)
      expect(occupancy(128, 0)).toBe(0)
    })
  })

  describe('streams and events', () => {
    test('work is queued, and ends later', () => {
      const stream = sim.out('cuStreamCreate', 1)
      const { out, call } = addition(stream)
      sim.control.hold(true)
      const event = sim.out('cuEventCreate', 0)
      expect(sim.launch(call)).toBe(cu.success)
      expect(sim.call('cuStreamQuery', stream)).toBe(cu.notReady)
      sim.check('cuEventRecord', event, stream)
      expect(sim.call('cuEventQuery', event)).toBe(cu.notReady)
      sim.control.hold(false)
      sim.check('cuEventSynchronize', event)
      expect(sim.call('cuStreamQuery', stream)).toBe(cu.success)
      expect(sim.download(out, new Float32Array(1))[0]).toBe(2)
    })

    test('a stream waits for an event of another', () => {
      const [first, second] = [sim.out('cuStreamCreate', 1), sim.out('cuStreamCreate', 1)]
      const event = sim.out('cuEventCreate', 2)
      const buffer = sim.out('cuMemAlloc_v2', 4)
      const copy = sim.out('cuMemAlloc_v2', 4)
      sim.control.hold(true)
      sim.check('cuMemsetD8Async', buffer, 1, 4, first)
      sim.check('cuMemsetD8Async', buffer, 2, 4, first)
      sim.check('cuEventRecord', event, first)
      sim.check('cuStreamWaitEvent', second, event, 0)
      sim.check('cuMemcpyDtoDAsync_v2', copy, buffer, 4, second)
      sim.control.hold(false)
      sim.check('cuStreamSynchronize', second)
      expect([...sim.download(copy, new Uint8Array(4))]).toEqual([2, 2, 2, 2])
    })

    test('times of events grow with the work, and are the same each time', () => {
      const elapsed = (elements: number) => {
        const stream = sim.out('cuStreamCreate', 1)
        const [start, end] = [sim.out('cuEventCreate', 0), sim.out('cuEventCreate', 0)]
        const array = new Float32Array(elements)
        const [a, out] = [sim.upload(array), sim.upload(array)]
        sim.check('cuEventRecord', start, stream)
        const grid = [elements / 256, 1, 1] as const
        sim.launch({ kernel: 'add_floats', grid, threads: 256, parameters: [a, a, out, { int32: elements }], stream })
        sim.check('cuEventRecord', end, stream)
        const milliseconds = new Float32Array(1)
        sim.check('cuEventSynchronize', end)
        sim.check('cuEventElapsedTime', milliseconds, start, end)
        return milliseconds[0]!
      }
      const [small, large] = [elapsed(1024), elapsed(1 << 20)]
      expect(small).toBeGreaterThan(0)
      expect(large).toBeGreaterThan(small)
      expect(elapsed(1024)).toBe(small)
    })

    test('events without timing or recording have no elapsed time', () => {
      const [timed, untimed] = [sim.out('cuEventCreate', 0), sim.out('cuEventCreate', 2)]
      const elapsed = () => sim.call('cuEventElapsedTime', new Float32Array(1), timed, untimed)
      expect(elapsed()).toBe(cu.invalidHandle)
      sim.check('cuEventRecord', timed, 0)
      sim.check('cuEventRecord', untimed, 0)
      sim.check('cuCtxSynchronize')
      expect(elapsed()).toBe(cu.invalidHandle)
    })

    test('handles that were destroyed are refused', () => {
      const stream = sim.out('cuStreamCreateWithPriority', 1, 0)
      const event = sim.out('cuEventCreate', 0)
      sim.check('cuStreamDestroy_v2', stream)
      sim.check('cuEventDestroy_v2', event)
      expect(sim.call('cuStreamQuery', stream)).toBe(cu.invalidHandle)
      expect(sim.call('cuStreamDestroy_v2', stream)).toBe(cu.invalidHandle)
      expect(sim.call('cuEventRecord', event, 0)).toBe(cu.invalidHandle)
      sim.check('cuModuleUnload', sim.module)
      expect(sim.call('cuModuleGetFunction', slot(), sim.module, 'add_floats')).toBe(cu.invalidHandle)
    })
  })

  describe('faults', () => {
    test('the n-th call fails once, of a function or of all', () => {
      sim.control.failCall({ name: 'cuMemAlloc_v2', nth: 2, result: cu.outOfMemory })
      sim.out('cuMemAlloc_v2', 16)
      sim.check('cuCtxSynchronize')
      expect(sim.call('cuMemAlloc_v2', slot(), 16)).toBe(cu.outOfMemory)
      sim.out('cuMemAlloc_v2', 16)
      sim.control.failCall({ nth: 2, result: cu.launchFailed })
      sim.check('cuCtxSynchronize')
      expect(sim.call('cuCtxSynchronize')).toBe(cu.launchFailed)
      sim.check('cuCtxSynchronize')
      expect(sim.control.counts()).toMatchObject({ faultsFired: 2, deviceAllocations: 2 })
    })

    test('calls that destroy do so even when they fail', () => {
      const address = sim.out('cuMemAlloc_v2', 16)
      sim.control.failCall({ result: cu.illegalAddress })
      expect(sim.call('cuMemFree_v2', address)).toBe(cu.illegalAddress)
      expect(sim.control.counts().deviceAllocations).toBe(0)
    })

    test('a lost device drops what is queued, and objects can still be destroyed', () => {
      const stream = sim.out('cuStreamCreate', 1)
      const { call } = addition(stream)
      sim.control.hold(true)
      sim.launch(call)
      sim.control.loseDevice(cu.launchFailed)
      expect(sim.call('cuStreamSynchronize', stream)).toBe(cu.launchFailed)
      expect(sim.call('cuMemAlloc_v2', slot(), 16)).toBe(cu.launchFailed)
      expect(sim.call('cuStreamDestroy_v2', stream)).toBe(cu.launchFailed)
      expect(sim.control.counts().streams).toBe(0)
    })

    test('a kernel that fails on the device leaves a sticky error, and nothing behind it runs', () => {
      const { out, call } = addition()
      sim.control.failKernel({ nth: 2, result: cu.launchFailed })
      expect(sim.run(call)).toBe(cu.success)
      expect(sim.launch(call)).toBe(cu.success)
      sim.call('cuMemsetD8Async', out, 0, 256, 0)
      expect(sim.call('cuCtxSynchronize')).toBe(cu.launchFailed)
      expect(sim.control.message).toMatch(/kernel add_floats/)
      expect(sim.call('cuMemcpyDtoH_v2', new Float32Array(1), out, 4)).toBe(cu.launchFailed)
    })

    test('a thread that waits returns when everything is torn down', async () => {
      const stream = sim.out('cuStreamCreate', 1)
      const { call } = addition(stream)
      sim.control.hold(true)
      sim.launch(call)
      const waiting = sim.inThread('cuStreamSynchronize', stream)
      await vi.waitUntil(() => sim.control.calls('cuStreamSynchronize') === 1)
      sim.control.reset()
      // What the real driver gives while a process ends is not documented; that it returns is what matters.
      expect([cu.success, cu.deinitialized]).toContain(await waiting)
    })

    test('calls are counted by name', () => {
      sim.out('cuStreamCreate', 0)
      sim.check('cuCtxSynchronize')
      sim.check('cuCtxSynchronize')
      expect(sim.control.callLog()).toEqual({ cuCtxSynchronize: 2, cuStreamCreate: 1 })
      expect([sim.control.calls(), sim.control.calls('cuCtxSynchronize')]).toEqual([3, 2])
    })
  })
})
