import type { SimulatorControl } from '@lowlat/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { CudaContext } from './context.ts'
import { openDriver } from './driver.ts'
import { probeDriver } from './probe.ts'
import { noSimulator, parameters, useDriver } from './testing/simulator.ts'

const reason = noSimulator()

describe.skipIf(reason)(`the driver${reason ? ` (${reason})` : ''}`, () => {
  const use = useDriver()
  let control: SimulatorControl
  let context: CudaContext

  beforeEach(() => {
    control = use.control!
    context = use.context
  })
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  it('describes its devices', () => {
    const driver = openDriver({ library: use.driverPath })
    expect(openDriver({ library: use.driverPath })).toBe(driver)
    expect(driver.version).toBeGreaterThanOrEqual(12_000)
    const [device, ...others] = driver.devices()
    expect(driver.device(0)).toEqual(device)
    expect(() => driver.device(1 + others.length)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
    expect(device).toMatchObject({
      ordinal: 0,
      name: expect.stringMatching(/\S/),
      computeCapability: expect.any(Number),
      uuid: expect.stringMatching(/^GPU-[0-9a-f-]{36}$/),
    })
    for (const fact of ['multiprocessors', 'memoryBytes', 'l2Bytes', 'sharedBytesPerBlock', 'clockMhz'] as const) {
      expect(device![fact]).toBeGreaterThan(0)
    }
    expect(probeDriver({ library: use.driverPath })).toMatchObject({
      available: true,
      devices: [{ name: device!.name, memoryBytes: device!.memoryBytes }],
    })
  })

  it('that is too old is refused with both versions', () => {
    const probe = probeDriver({ library: use.driverPath, minimumVersion: 99_010 })
    expect(probe).toMatchObject({ available: false, reason: expect.stringContaining('CUDA 99.1 or newer') })
  })

  it('copies between pinned and device memory, fills, and launches kernels', () => {
    using stream = context.createStream()
    using pinned = context.allocatePinned(800)
    using device = context.allocate(800)
    using module = context.loadModule(use.image)
    const floats = new Float32Array(pinned.buffer)
    for (let i = 0; i < 100; i++) floats[i] = i
    stream.copyToDevice(device.address, pinned.address, 400)
    const scale = module.kernel('scale')
    const launch = { grid: [4, 1, 1], threads: 32, sharedBytes: 0, stream } as const
    scale.launch({ ...launch, parameters: parameters([device.address, device.address + 400], 100, 2) })
    stream.copyToHost(pinned.address + 400, device.address + 400, 400)
    stream.synchronize()
    expect([...floats.subarray(100)]).toEqual(Array.from({ length: 100 }, (_, i) => i * 2))
    stream.fill(device.address, 7, 800)
    stream.copyOnDevice(device.address + 8, device.address, 8)
    stream.writeValue32(device.address + 16, -2)
    stream.synchronize()
    expect(device.read(0, 16)).toEqual(new Uint8Array(16).fill(7))
    expect([...device.read(16, 5)]).toEqual([254, 255, 255, 255, 7])
    device.write(new Uint8Array([1, 2, 3]), 797)
    expect(device.read(796)).toEqual(new Uint8Array([7, 1, 2, 3]))
    expect(module.kernel('scale')).toBe(scale)
    expect([scale.registers, scale.localBytes].every(Number.isInteger)).toBe(true)
    expect(scale.activeBlocks(128, 1024)).toBeGreaterThan(0)
  })

  it('lets a kernel have more shared memory than a block has without asking', () => {
    using stream = context.createStream()
    using memory = context.allocate(4)
    using module = context.loadModule(use.image)
    const given = parameters([memory.address, memory.address])
    const launch = { grid: [1, 1, 1], threads: 32, sharedBytes: 65_536, stream, parameters: given } as const
    module.kernel('use_shared').launch(launch)
    stream.synchronize()
    expect(memory.read()[0]).toBe(7)
  })

  it('measures with events, and orders streams by them', () => {
    using first = context.createStream()
    using second = context.createStream()
    using start = context.createEvent()
    using end = context.createEvent()
    using memory = context.allocate(1 << 20)
    first.record(start)
    first.fill(memory.address, 1, 1 << 20)
    first.record(end)
    second.wait(end)
    second.synchronize()
    expect(end.query()).toBe(true)
    expect(end.elapsedUs(start)).toBeGreaterThan(0)
  })

  it('captures a stream into a graph, launches it again and again, and gives it other parameters', () => {
    using stream = context.createStream()
    using memory = context.allocate(8)
    using module = context.loadModule(use.image)
    using pinned = context.allocatePinned(4)
    memory.write(new Uint8Array(8))
    const record = (counter: number) => {
      const given = parameters([counter, pinned.deviceAddress])
      module.kernel('signal').launch({ grid: [1, 1, 1], threads: 32, sharedBytes: 0, stream, parameters: given })
    }
    using graph = stream.capture(() => record(memory.address))
    expect(graph.nodeCount).toBe(1)
    expect(memory.read()).toEqual(new Uint8Array(8))
    using exec = graph.instantiate()
    exec.upload(stream)
    for (let run = 0; run < 3; run++) exec.launch(stream)
    stream.synchronize()
    expect([...new Uint32Array(memory.read().buffer)]).toEqual([3, 0])
    using other = stream.capture(() => record(memory.address + 4))
    expect(exec.update(other)).toBe(true)
    exec.launch(stream)
    stream.synchronize()
    expect([...new Uint32Array(memory.read().buffer)]).toEqual([3, 1])
    using longer = stream.capture(() => {
      record(memory.address)
      record(memory.address)
    })
    expect(exec.update(longer)).toBe(false)
  })

  it('leaves a capture that fails, and the stream works on', () => {
    using stream = context.createStream()
    using memory = context.allocate(4)
    expect(() =>
      stream.capture(() => {
        stream.fill(memory.address, 1, 4)
        throw new Error('changed my mind')
      }),
    ).toThrow('changed my mind')
    expect(() => stream.capture(() => stream.synchronize())).toThrow(expect.objectContaining({ code: 'RUN_FAILED' }))
    stream.fill(memory.address, 9, 4)
    stream.synchronize()
    expect([...memory.read()]).toEqual([9, 9, 9, 9])
    expect(control.counts().graphs).toBe(0)
  })

  it('says when memory runs out, and what for', () => {
    control.setMemoryLimit(1 << 20)
    expect(() => context.allocate(1 << 21)).toThrow(
      expect.objectContaining({
        code: 'OUT_OF_MEMORY',
        message: expect.stringContaining('cuMemAlloc_v2 failed with CUDA_ERROR_OUT_OF_MEMORY (2)'),
      }),
    )
    using memory = context.allocate(1 << 19)
    expect(memory.sizeBytes).toBe(1 << 19)
    expect(context.memoryInfo().freeBytes).toBeLessThanOrEqual(1 << 19)
  })

  it('names a kernel that is not there, and one that cannot be launched', () => {
    using stream = context.createStream()
    using module = context.loadModule(use.image)
    expect(() => module.kernel('nothing')).toThrow("for the kernel 'nothing' failed with CUDA_ERROR_NOT_FOUND (500)")
    const launch = { grid: [1, 1, 1], threads: 4096, sharedBytes: 0, stream, parameters: parameters([0, 0]) } as const
    expect(() => module.kernel('signal').launch(launch)).toThrow(/of the kernel 'signal' with grid \[1, 1, 1\]/)
    const short = { ...launch, threads: 32, parameters: new Uint8Array(8) }
    expect(() => module.kernel('signal').launch(short)).toThrow(expect.objectContaining({ code: 'RUN_FAILED' }))
  })

  it('refuses what was disposed', () => {
    const memory = context.allocatePinned(64)
    memory.dispose()
    memory.dispose()
    expect(memory.disposed).toBe(true)
    for (const use of [() => memory.address, () => memory.buffer, () => memory.bytes()]) {
      expect(use).toThrow(expect.objectContaining({ code: 'DISPOSED' }))
    }
  })

  it('does not mind memory that comes again at the same address', () => {
    for (let round = 0; round < 200; round++) {
      using memory = context.allocatePinned(4096)
      memory.bytes().fill(round % 256)
      expect(memory.bytes()[4095]).toBe(round % 256)
    }
  })

  describe('waiting for the GPU', () => {
    /** Starts `count` signals, and waits for the last of them. */
    const wait = async (count: number, kernel = 'signal', beforeStart = () => {}) => {
      using stream = context.createStream()
      using counter = context.allocate(4)
      using pinned = context.allocatePinned(4)
      using module = context.loadModule(use.image)
      counter.write(new Uint8Array(4))
      const word = new Int32Array(pinned.buffer, 0, 1)
      word[0] = 0
      const given = parameters([counter.address, pinned.deviceAddress])
      const launch = { grid: [1, 1, 1], threads: 32, sharedBytes: 0, stream, parameters: given } as const
      beforeStart()
      for (let index = 0; index < count; index++) module.kernel(kernel).launch(launch)
      try {
        await context.waitFor({ word, sequence: count, stream })
        return word[0]
      } finally {
        while (!context.lost && !stream.query()) await new Promise((resolve) => setImmediate(resolve))
      }
    }

    it('resolves once the number is there, for several at once', async () => {
      expect(await Promise.all([wait(1), wait(5), wait(3)])).toEqual([1, 5, 3])
    })

    it.each([
      ['a thread', false],
      ['asking now and then where a thread needs a context', true],
    ])('goes on in %s, with the event loop free', async (_, required) => {
      vi.stubEnv('LOWLAT_CUDA_POLL_US', '100')
      control.requireContext(required)
      let turns = 0
      const timer = setInterval(() => turns++, 1)
      const hold = () => {
        control.hold(true)
        setTimeout(() => control.hold(false), 50)
      }
      expect(await wait(2, 'signal', hold)).toBe(2)
      clearInterval(timer)
      expect(turns).toBeGreaterThan(10)
      expect(control.calls('cuStreamSynchronize')).toBeGreaterThan(0)
    })

    it('fails when the work fails, and says that the device is lost', async () => {
      vi.stubEnv('LOWLAT_CUDA_POLL_US', '100')
      await expect(wait(1, 'fail')).rejects.toMatchObject({
        code: 'DEVICE_LOST',
        message: expect.stringContaining('CUDA_ERROR_ILLEGAL_ADDRESS (700)'),
      })
      expect(context.lost).toBe(true)
    })

    it('fails when the stream ends without the number', async () => {
      vi.stubEnv('LOWLAT_CUDA_POLL_US', '0')
      using stream = context.createStream()
      using pinned = context.allocatePinned(4)
      const word = new Int32Array(pinned.buffer, 0, 1)
      word[0] = 4
      const waiting = context.waitFor({ word, sequence: 5, stream })
      await expect(waiting).rejects.toMatchObject({ code: 'RUN_FAILED', expected: 5, received: 4 })
    })

    it('counts beyond the largest number', async () => {
      using stream = context.createStream()
      using pinned = context.allocatePinned(4)
      const word = new Int32Array(pinned.buffer, 0, 1)
      word[0] = -(2 ** 31)
      await context.waitFor({ word, sequence: 2 ** 31 - 1, stream })
    })
  })

  it('that loses the device fails every call alike, and lets go of everything', () => {
    const memory = context.allocate(64)
    const stream = context.createStream()
    control.loseDevice(719)
    for (const call of [() => context.allocate(64), () => memory.read(), () => stream.query()]) {
      expect(call).toThrow(expect.objectContaining({ code: 'DEVICE_LOST' }))
    }
    expect(context.lost).toBe(true)
    memory.dispose()
    stream.dispose()
    context.dispose()
  })
})
