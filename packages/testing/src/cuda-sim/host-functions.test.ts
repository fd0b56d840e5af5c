import { dirname, join } from 'node:path'
import koffi, { type LibraryHandle } from 'koffi'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { packageFolder } from '../package-folder.ts'
import { buildSimulator } from './build.ts'
import { compilerFlags } from './compiler.ts'
import { cu, Harness, skipReason as reason } from './harness.ts'
import { link } from './link.ts'
import { isSanitized } from './sanitized.ts'

const [GLOBAL, THREAD_LOCAL, RELAXED] = [0, 1, 2]

describe.skipIf(reason)(`host functions and captures of the CUDA simulator${reason ? ` (${reason})` : ''}`, () => {
  let sim: Harness
  let fixture: LibraryHandle
  let stream = 0
  let value = 0
  beforeAll(async () => {
    sim = await Harness.build('vector')
    const { driverPath } = await buildSimulator({ kernels: [], sanitize: isSanitized() })
    fixture = koffi.load(
      await link({
        cacheFolder: dirname(driverPath),
        name: 'host-functions',
        sources: [join(packageFolder, 'cuda-sim/fixtures/host_functions.cpp')],
        flags: compilerFlags('kernels', isSanitized()),
        includePath: [],
        libraries: [driverPath],
      }),
    )
  }, 300_000)
  beforeEach(() => {
    sim.start()
    stream = sim.out('cuStreamCreate', 1)
    value = sim.upload(Int32Array.of(0))
  })

  const launch = (name: string) =>
    sim.call('cuLaunchHostFunc', stream, BigInt(koffi.address(fixture.symbol(name, 'void'))), value)
  const read = () => {
    sim.check('cuStreamSynchronize', stream)
    return sim.download(value, new Int32Array(1))[0]
  }
  const begin = (mode: number) => sim.check('cuStreamBeginCapture_v2', stream, mode)
  const end = () => {
    const graph = new BigUint64Array(1)
    return [sim.call('cuStreamEndCapture', stream, graph), Number(graph[0])] as const
  }

  test('run in the order of the stream', () => {
    expect(launch('append_one')).toBe(cu.success)
    sim.check('cuMemsetD8Async', value, 0, 4, stream)
    launch('append_one')
    launch('append_one')
    expect(read()).toBe(11)
  })

  test('are captured, and run at every launch of the graph', () => {
    begin(RELAXED)
    launch('append_one')
    launch('append_one')
    const [result, graph] = end()
    expect(result).toBe(cu.success)
    expect(read()).toBe(0)
    const exec = sim.out('cuGraphInstantiateWithFlags', graph, 0)
    sim.check('cuGraphLaunch', exec, stream)
    sim.check('cuGraphLaunch', exec, stream)
    expect(read()).toBe(1111)
  })

  test('may not call the driver', () => {
    launch('call_driver')
    expect(read()).toBe(cu.notPermitted)
    sim.check('cuCtxSynchronize')
  })

  test('do not run after an error', () => {
    sim.control.failKernel({ result: cu.illegalInstruction })
    sim.launch({ kernel: 'add_floats', parameters: [0, 0, 0, { int32: 0 }], stream })
    launch('append_one')
    expect(sim.call('cuStreamSynchronize', stream)).toBe(cu.illegalInstruction)
    expect(new Int32Array(koffi.view(value, 4) as ArrayBuffer)[0]).toBe(0)
  })

  test('need a function and a stream', () => {
    expect(sim.call('cuLaunchHostFunc', stream, 0n, value)).toBe(cu.invalidValue)
    expect(sim.call('cuLaunchHostFunc', 12345, 1n, value)).toBe(cu.invalidHandle)
  })

  test('a thread that asks for it may do anything beside a capture', () => {
    const mode = Int32Array.of(RELAXED!)
    sim.check('cuThreadExchangeStreamCaptureMode', mode)
    expect(mode[0]).toBe(GLOBAL)
    begin(GLOBAL!)
    expect(sim.call('cuMemAlloc_v2', new BigUint64Array(1), 16)).toBe(cu.success)
    mode[0] = THREAD_LOCAL!
    sim.check('cuThreadExchangeStreamCaptureMode', mode)
    expect(mode[0]).toBe(RELAXED)
    expect(sim.call('cuMemAlloc_v2', new BigUint64Array(1), 16)).toBe(cu.captureUnsupported)
    expect(end()[0]).toBe(cu.captureInvalidated)
    mode[0] = GLOBAL!
    sim.check('cuThreadExchangeStreamCaptureMode', mode)
    mode[0] = 7
    expect(sim.call('cuThreadExchangeStreamCaptureMode', mode)).toBe(cu.invalidValue)
  })

  test('a capture is described while it is active', () => {
    const info = () => {
      const [status, id, graph, nodes, count] = [
        new Int32Array(1),
        ...Array.from({ length: 4 }, () => new BigUint64Array(1)),
      ]
      sim.check('cuStreamGetCaptureInfo_v2', stream, status!, id!, graph!, nodes!, count!)
      return { status: status![0], id: id![0], graph: graph![0], count: count![0] }
    }
    expect(info()).toEqual({ status: 0, id: 0n, graph: 0n, count: 0n })
    begin(THREAD_LOCAL!)
    const first = info()
    expect(first).toMatchObject({ status: 1, count: 0n })
    launch('append_one')
    expect(info()).toEqual({ ...first, count: 1n })
    expect(end()[1]).toBe(Number(first.graph))
    begin(RELAXED!)
    expect(info().id).not.toBe(first.id)
    sim.call('cuStreamQuery', stream)
    expect(info()).toMatchObject({ status: 2, id: 0n })
    end()
  })
})
