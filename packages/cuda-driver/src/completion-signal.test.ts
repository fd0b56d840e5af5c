import { testsOnGpu } from '@lowlat/testing'
import { describe, expect, it, vi } from 'vitest'
import { CompletionSignal } from './completion-signal.ts'
import { cuResult } from './results.ts'
import { noDriver, parameters, useDriver } from './testing/simulator.ts'

const reason = noDriver()

describe.skipIf(reason)(`the end of work in a stream${reason ? ` (${reason})` : ''}`, () => {
  const use = useDriver()

  it('is told by a value that the stream writes', async () => {
    const { context } = use
    using stream = context.createStream()
    using signal = new CompletionSignal(stream)
    using memory = context.allocate(1000)
    const sequences: number[] = []
    for (let run = 1; run <= 3; run++) {
      await signal.run((sequence) => {
        sequences.push(sequence)
        stream.fill(memory.address, run, 1000)
        stream.writeValue32(signal.address, sequence)
      })
      expect(memory.read()).toEqual(new Uint8Array(1000).fill(run))
    }
    expect(sequences).toEqual([1, 2, 3])
  })

  it('is told by a kernel that counts', async () => {
    const { context, image } = use
    using stream = context.createStream()
    using signal = new CompletionSignal(stream)
    using counter = context.allocate(4)
    using module = context.loadModule(image)
    counter.write(new Uint8Array(4))
    const given = parameters([counter.address, signal.address])
    using graph = stream.capture(() =>
      module.kernel('signal').launch({ grid: [1, 1, 1], threads: 32, sharedBytes: 0, stream, parameters: given }),
    )
    using exec = graph.instantiate()
    for (let run = 0; run < 3; run++) await signal.run(() => exec.launch(stream))
    expect(counter.read()[0]).toBe(3)
  })

  it('is told by a captured value, again and again', async () => {
    const { context } = use
    using stream = context.createStream()
    using signal = new CompletionSignal(stream)
    using pinned = context.allocatePinned(4)
    using graph = stream.capture(() => stream.writeValue32(signal.address, -5))
    using exec = graph.instantiate()
    for (let run = 1; run <= 3; run++) {
      await signal.run(() => {
        stream.writeValue32(pinned.deviceAddress, run)
        exec.launch(stream)
      }, -5)
      expect(pinned.bytes()[0]).toBe(run)
    }
  })

  it.skipIf(testsOnGpu())('is waited for after work that could not be started', async () => {
    vi.stubEnv('LOWLAT_CUDA_POLL_US', '100')
    const { context, control } = use
    using stream = context.createStream()
    using signal = new CompletionSignal(stream)
    using memory = context.allocate(4)
    control!.hold(true)
    const failing = signal.run((sequence) => {
      stream.fill(memory.address, 1, 4)
      control!.failCall({ name: 'cuStreamWriteValue32_v2', result: cuResult.outOfMemory })
      stream.writeValue32(signal.address, sequence)
    })
    await expect(failing).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' })
    let idle = false
    const waiting = signal.idle().then(() => {
      idle = true
    })
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(idle).toBe(false)
    control!.hold(false)
    await waiting
    await signal.run((sequence) => stream.writeValue32(signal.address, sequence))
    // Work that ends without its number.
    await expect(signal.run(() => {})).rejects.toMatchObject({ code: 'RUN_FAILED', expected: 2, received: 1 })
    await signal.run((sequence) => stream.writeValue32(signal.address, sequence))
    vi.unstubAllEnvs()
  })
})
