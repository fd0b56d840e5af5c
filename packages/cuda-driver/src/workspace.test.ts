import { describe, expect, it } from 'vitest'
import { noSimulator, useDriver } from './testing/simulator.ts'
import { Workspace } from './workspace.ts'

const reason = noSimulator()

describe.skipIf(reason)(`a workspace${reason ? ` (${reason})` : ''}`, () => {
  const use = useDriver()

  it('replaces only what is too small, the old before the new', () => {
    const { context, control } = use
    using workspace = new Workspace(context, { arenaBytes: 600, stagingBytes: 64 })
    const { arena, staging } = workspace
    expect(workspace.holds({ arenaBytes: 600, stagingBytes: 64 })).toBe(true)
    expect(workspace.holds({ arenaBytes: 601, stagingBytes: 64 })).toBe(false)
    expect(workspace.holds({ arenaBytes: 600, stagingBytes: 65 })).toBe(false)
    control!.setMemoryLimit(1000)
    workspace.grow({ arenaBytes: 900, stagingBytes: 10 })
    expect([arena.disposed, workspace.arena.sizeBytes, workspace.staging === staging]).toEqual([true, 900, true])
    workspace.grow({ arenaBytes: 1, stagingBytes: 65 })
    expect([workspace.arena.sizeBytes, workspace.staging.sizeBytes, staging.disposed]).toEqual([900, 65, true])
  })

  it('can grow again after memory ran out', () => {
    const { context, control } = use
    using workspace = new Workspace(context, { arenaBytes: 10, stagingBytes: 10 })
    control!.setMemoryLimit(1000)
    const grow = (arenaBytes: number) => workspace.grow({ arenaBytes, stagingBytes: 10 })
    expect(() => grow(1001)).toThrow(expect.objectContaining({ code: 'OUT_OF_MEMORY' }))
    expect(workspace.holds({ arenaBytes: 0, stagingBytes: 10 })).toBe(false)
    grow(20)
    expect(workspace.arena.sizeBytes).toBe(20)
  })

  it('is idle once its work has ended, or the device is lost', async () => {
    const { context, control } = use
    const workspace = new Workspace(context, { arenaBytes: 4, stagingBytes: 4 })
    const { stream, signal, arena } = workspace
    await signal.run((sequence) => stream.writeValue32(signal.address, sequence))
    await workspace.idle()
    control!.hold(true)
    stream.fill(arena.address, 1, 4)
    const failing = signal.run(() => {
      throw new Error('changed my mind')
    })
    await expect(failing).rejects.toThrow('changed my mind')
    control!.loseDevice(719)
    await expect(workspace.idle()).rejects.toMatchObject({ code: 'DEVICE_LOST' })
    await workspace.idle()
    workspace.dispose()
  })

  it('that cannot be had leaves nothing', () => {
    const { context, control } = use
    control!.setMemoryLimit(1000)
    expect(() => new Workspace(context, { arenaBytes: 1001, stagingBytes: 1 })).toThrow(
      expect.objectContaining({ code: 'OUT_OF_MEMORY' }),
    )
  })
})
