import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { cu, Harness, skipReason as reason } from './harness.ts'

const [GLOBAL, THREAD_LOCAL, RELAXED] = [0, 1, 2]

describe.skipIf(reason)(`capture and graphs of the CUDA simulator${reason ? ` (${reason})` : ''}`, () => {
  let sim: Harness
  let stream = 0
  beforeAll(async () => {
    sim = await Harness.build('vector')
  }, 300_000)
  beforeEach(() => {
    sim.start()
    stream = sim.out('cuStreamCreate', 1)
  })

  const slot = () => new BigUint64Array(1)
  const begin = (mode = THREAD_LOCAL!, of = stream) => sim.check('cuStreamBeginCapture_v2', of, mode)
  const end = (of = stream): [result: number, graph: number] => {
    const graph = slot()
    const result = sim.call('cuStreamEndCapture', of, graph)
    return [result, Number(graph[0])]
  }
  const add = (a: number, b: number, out: number, on = stream) =>
    expect(sim.launch({ kernel: 'add_floats', parameters: [a, b, out, { int32: 8 }], stream: on })).toBe(cu.success)
  const floats = (value: number) => sim.upload(new Float32Array(8).fill(value))
  const first = (address: number) => sim.download(address, new Float32Array(8))[0]
  const capture = (record: () => void): number => {
    begin()
    record()
    const [result, graph] = end()
    expect(result).toBe(cu.success)
    return graph
  }
  const instantiate = (graph: number) => sim.out('cuGraphInstantiateWithFlags', graph, 0)
  const launch = (exec: number, on = stream) => {
    sim.check('cuGraphLaunch', exec, on)
    sim.check('cuStreamSynchronize', on)
  }

  test('a capture records instead of running, and the graph runs each time', () => {
    const [x, one] = [floats(0), floats(1)]
    const graph = capture(() => {
      add(x, one, x)
      add(x, one, x)
    })
    expect(first(x)).toBe(0)
    const count = slot()
    sim.check('cuGraphGetNodes', graph, null, count)
    expect(count[0]).toBe(2n)
    const exec = instantiate(graph)
    sim.check('cuGraphDestroy', graph)
    launch(exec)
    launch(exec)
    expect(first(x)).toBe(4)
    sim.check('cuGraphExecDestroy', exec)
    expect(sim.control.counts()).toMatchObject({ graphs: 0, graphExecs: 0 })
  })

  test('a graph that is not destroyed is counted', () => {
    instantiate(capture(() => {}))
    expect(sim.control.counts()).toMatchObject({ graphs: 1, graphExecs: 1 })
  })

  test('parameters are taken when the launch is captured, pinned memory when the graph runs', () => {
    const pinned = sim.out('cuMemHostAlloc', 32, 0)
    const x = floats(3)
    sim.check('cuMemcpyDtoHAsync_v2', pinned, x, 32, stream)
    sim.check('cuStreamSynchronize', stream)
    const y = sim.out('cuMemAlloc_v2', 32)
    const exec = instantiate(capture(() => sim.check('cuMemcpyHtoDAsync_v2', y, pinned, 32, stream)))
    launch(exec)
    expect(first(y)).toBe(3)
    sim.check('cuMemcpyDtoHAsync_v2', pinned, floats(4), 32, stream)
    launch(exec)
    expect(first(y)).toBe(4)
  })

  test('a written value is part of the graph', () => {
    const x = floats(0)
    const write = (value: number) => capture(() => sim.check('cuStreamWriteValue32_v2', stream, x, value, 0))
    const exec = instantiate(write(0x40000000)) // 2
    expect(first(x)).toBe(0)
    launch(exec)
    expect(first(x)).toBe(2)
    sim.check('cuGraphExecUpdate_v2', exec, write(0x40400000), new Uint8Array(24)) // 3
    launch(exec)
    expect(first(x)).toBe(3)
  })

  test('streams join a capture by events, and must be joined back', () => {
    const other = sim.out('cuStreamCreate', 1)
    const [fork, join] = [sim.out('cuEventCreate', 2), sim.out('cuEventCreate', 2)]
    const [a, b, c] = [floats(1), floats(2), floats(0)]
    const record = (joined: boolean) => {
      add(a, a, a)
      sim.check('cuEventRecord', fork, stream)
      sim.check('cuStreamWaitEvent', other, fork, 0)
      add(b, b, b, other)
      add(a, a, a)
      if (!joined) return
      sim.check('cuEventRecord', join, other)
      sim.check('cuStreamWaitEvent', stream, join, 0)
      add(a, b, c)
    }
    const exec = instantiate(capture(() => record(true)))
    for (const seed of [0, 1, 2, 3]) {
      sim.control.setSeed(seed)
      for (const [address, value] of [
        [a, 1],
        [b, 2],
      ] as const)
        sim.check('cuMemcpyHtoD_v2', address, new Float32Array(8).fill(value), 32)
      launch(exec)
      expect(first(c)).toBe(8)
    }
    begin()
    record(false)
    expect(end()).toEqual([cu.captureUnjoined, 0])
    const capturing = new Int32Array(1)
    sim.check('cuStreamIsCapturing', other, capturing)
    expect(capturing[0]).toBe(0)
  })

  test('an update changes parameters, and refuses another structure', () => {
    const [x, one, ten] = [floats(0), floats(1), floats(10)]
    const exec = instantiate(capture(() => add(x, one, x)))
    const info = new Uint8Array(24)
    sim.check(
      'cuGraphExecUpdate_v2',
      exec,
      capture(() => add(x, ten, x)),
      info,
    )
    launch(exec)
    expect(first(x)).toBe(10)
    const longer = capture(() => {
      add(x, one, x)
      add(x, one, x)
    })
    expect(sim.call('cuGraphExecUpdate_v2', exec, longer, info)).toBe(cu.graphExecUpdateFailure)
    expect(new Int32Array(info.buffer)[0]).toBe(2)
    const fill = capture(() => sim.check('cuMemsetD8Async', x, 0, 32, stream))
    expect(sim.call('cuGraphExecUpdate_v2', exec, fill, info)).toBe(cu.graphExecUpdateFailure)
    expect(new Int32Array(info.buffer)[0]).toBe(3)
    launch(exec)
    expect(first(x)).toBe(20)
  })

  test('launches of one graph on several streams follow each other', () => {
    const [x, one] = [floats(0), floats(1)]
    const exec = instantiate(capture(() => add(x, one, x)))
    const streams = [stream, sim.out('cuStreamCreate', 1), sim.out('cuStreamCreate', 1)]
    sim.control.hold(true)
    for (let i = 0; i < 30; i++) sim.check('cuGraphLaunch', exec, streams[i % 3]!)
    sim.control.hold(false)
    sim.check('cuCtxSynchronize')
    expect(first(x)).toBe(30)
  })

  describe('what capture forbids', () => {
    test.each([
      ['cuStreamSynchronize', () => [stream]],
      ['cuStreamQuery', () => [stream]],
      ['cuCtxSynchronize', () => []],
      ['cuMemAlloc_v2', () => [slot(), 16]],
      ['cuMemHostAlloc', () => [slot(), 16, 0]],
      ['cuMemcpyHtoD_v2', () => [0, new Uint8Array(4), 4]],
    ] as const)('%s is refused and ends the capture', (name, args) => {
      begin()
      expect(sim.call(name, ...args())).toBe(cu.captureUnsupported)
      expect(sim.launch({ kernel: 'add_floats', parameters: [0, 0, 0, { int32: 0 }], stream })).toBe(
        cu.captureInvalidated,
      )
      expect(end()).toEqual([cu.captureInvalidated, 0])
      // Afterwards the stream is as before.
      sim.check('cuStreamSynchronize', stream)
      sim.out('cuMemAlloc_v2', 16)
    })

    test('a global capture forbids other threads too, a thread-local one does not, a relaxed one nobody', async () => {
      const query = sim.out('cuEventCreate', 2)
      for (const [mode, result] of [
        [GLOBAL, cu.captureUnsupported],
        [THREAD_LOCAL, cu.success],
        [RELAXED, cu.success],
      ] as const) {
        begin(mode)
        expect(await sim.inThread('cuEventQuery', query)).toBe(result)
        end()
      }
      begin(RELAXED)
      sim.out('cuMemAlloc_v2', 16)
      expect(end()[0]).toBe(cu.success)
    })

    test('the legacy stream cannot be captured, nor used while a blocking stream is', () => {
      expect(sim.call('cuStreamBeginCapture_v2', 0, RELAXED)).toBe(cu.captureUnsupported)
      const blocking = sim.out('cuStreamCreate', 0)
      const x = floats(1)
      begin(RELAXED, blocking)
      expect(sim.call('cuMemsetD8Async', x, 0, 4, 0)).toBe(cu.captureImplicit)
      expect(end(blocking)[0]).toBe(cu.captureInvalidated)
    })

    test('events keep captured and other work apart', () => {
      const [outside, inside] = [sim.out('cuEventCreate', 2), sim.out('cuEventCreate', 2)]
      sim.check('cuEventRecord', outside, stream)
      begin()
      sim.check('cuEventRecord', inside, stream)
      expect(sim.call('cuStreamWaitEvent', stream, outside, 0)).toBe(cu.captureIsolation)
      expect(end()[0]).toBe(cu.captureInvalidated)
      begin(RELAXED)
      sim.check('cuEventRecord', inside, stream)
      expect(sim.call('cuEventQuery', inside)).toBe(cu.capturedEvent)
      expect(end()[0]).toBe(cu.captureInvalidated)
    })

    test('captures do not merge, and end where they began', () => {
      const [other, third] = [sim.out('cuStreamCreate', 1), sim.out('cuStreamCreate', 1)]
      const event = sim.out('cuEventCreate', 2)
      begin()
      begin(THREAD_LOCAL, other)
      sim.check('cuEventRecord', event, stream)
      expect(sim.call('cuStreamWaitEvent', other, event, 0)).toBe(cu.captureMerge)
      expect([end()[0], end(other)[0]]).toEqual([cu.captureInvalidated, cu.captureInvalidated])
      begin()
      sim.check('cuEventRecord', event, stream)
      sim.check('cuStreamWaitEvent', third, event, 0)
      expect(end(third)[0]).toBe(cu.captureUnmatched)
      expect(end()[0]).toBe(cu.captureInvalidated)
      expect(end()[0]).toBe(cu.illegalState)
    })
  })
})
