import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { smallModel, sumModel } from '@lowlat/testing'
import { expect, it } from 'vitest'
import type { BuildEvent, NativeContext } from './native.ts'
import { errorOf } from './testing/native-bench.ts'
import { describeAddon, profiles, range } from './testing/native-suite.ts'

describeAddon('engines of the addon', (suite) => {
  const { folder, version } = suite

  it('builds, loads and runs, in both threads, with phases, steps and log as events', async () => {
    const events: BuildEvent[] = []
    const result = await suite.build(sumModel(), { profiles, logSeverity: 'verbose' }, (event) => events.push(event))
      .done
    expect(result.tensors).toMatchObject([
      { name: 'a', mode: 'input', dtype: 'FLOAT', shape: [-1, 4], location: 'device', isShapeTensor: false },
      { name: 'b' },
      { name: 'sum', mode: 'output' },
      { name: 'difference' },
    ])
    const kinds = new Set(events.map(({ kind }) => kind))
    expect(kinds).toEqual(new Set(['log', 'phase-start', 'step', 'phase-end']))
    const engine = await suite.bench.load(result.plan)
    expect(engine).toMatchObject({ profiles: 1, refittable: false, hardwareCompatibility: 'NONE' })
    expect(engine.tensors[0]).toMatchObject({ name: 'a', mode: 'input', shape: [-1, 4], format: 'LINEAR' })
    expect(engine.profileShape('a', 0)).toEqual(range)
    expect(engine.deviceMemoryBytes()).toBeGreaterThanOrEqual(engine.deviceMemoryBytes(0))
    const context = await engine.createContext({ memory: 'own' })
    await suite.runSum(context, 2, false)
    await suite.runSum(context, 4, true)
    expect(JSON.parse(engine.inspect('json'))).toHaveProperty('Layers')
    expect(engine.inspectLayer(0, 'oneline')).not.toBe('')
    expect(context.inspect('json')).not.toBe('')
    await context.dispose()
    await engine.dispose()
    await suite.nothingLeft()
  })

  it('frees contexts before their engine, in whatever order they are disposed without waiting', async () => {
    const engine = await suite.bench.engine(sumModel(), { profiles })
    const contexts = await Promise.all([1, 2].map(() => engine.createContext({ memory: 'own' })))
    expect(await errorOf(() => engine.dispose())).toMatchObject({ code: 'IN_USE', contexts: 2 })
    expect(await errorOf(() => suite.bench.library.close())).toMatchObject({ code: 'IN_USE', users: 1 })
    for (const context of contexts) context.dispose()
    const gone = engine.dispose()
    expect(engine.dispose()).toBe(gone)
    await gone
    expect(suite.alive()).toBe(0)
    expect(await errorOf(() => contexts[0]!.enqueue(0))).toMatchObject({ code: 'DISPOSED' })
    expect(await errorOf(() => engine.inspect('json'))).toMatchObject({ code: 'DISPOSED' })
  })

  it("refuses calls to a context that its engine's thread works with", async () => {
    const engine = await suite.bench.engine(sumModel(), { profiles })
    const context = await engine.createContext({ memory: 'own' })
    const stream = suite.bench.cuda.createStream()
    const pending = context.setProfileInThread(0, stream.handle)
    expect(await errorOf(() => context.setInputShape('a', [1, 4]))).toMatchObject({
      code: 'BUSY',
      call: 'setInputShape',
    })
    await pending
    context.setInputShape('a', [1, 4])
    await context.dispose()
    await engine.dispose()
    stream.dispose()
  })

  it('refuses calls to a context that is disposed while their arguments are read', async () => {
    const engine = await suite.bench.engine(sumModel(), { profiles })
    const calls: ((context: NativeContext, list: number[]) => void)[] = [
      (context, list) => context.setInputShape('a', list),
      (context, list) => context.setAuxStreams(list),
    ]
    for (const call of calls) {
      const context = await engine.createContext({ memory: 'own' })
      const get = () => {
        context.dispose()
        return 4
      }
      const list = Object.defineProperty([2, 4], 1, { get })
      expect(await errorOf(() => call(context, list))).toMatchObject({ code: 'DISPOSED' })
    }
    await engine.dispose()
  })

  it('keeps the weight streaming budget while a context is being made', async () => {
    const engine = await suite.bench.engine(sumModel(), { profiles })
    const context = engine.createContext({ memory: 'own' })
    const error = await errorOf(() => engine.setWeightStreamingBudget(0))
    expect(error).toMatchObject({ code: 'IN_USE', contexts: 1 })
    await (await context).dispose()
    await engine.dispose()
  })

  it('says what TensorRT refuses: its errors and its log', async () => {
    const engine = await suite.bench.engine(sumModel(), { profiles })
    const context = await engine.createContext({ memory: 'own' })
    const error = await errorOf(() => context.setInputShape('a', [9, 4]))
    expect(error).toMatchObject({ code: 'REFUSED', call: 'setInputShape', errors: [expect.any(String)] })
    expect(error.log).toMatchObject([{ severity: 'error', message: expect.any(String) }])
    expect(await errorOf(() => context.enqueueInThread(0))).toMatchObject({ code: 'REFUSED', call: 'enqueueV3' })
    suite.bench.control.failCall({ name: 'CudaEngine.createExecutionContext', code: 5 })
    expect(await errorOf(() => engine.createContext({ memory: 'own' }))).toMatchObject({
      code: 'OUT_OF_MEMORY',
      errors: [expect.stringContaining('FAILED_ALLOCATION')],
    })
    await context.dispose()
    await engine.dispose()
  })

  it('blames no earlier failure for a later one', async () => {
    const engine = await suite.bench.engine(sumModel(), { profiles })
    suite.bench.control.failCall({ name: 'CudaEngine.createExecutionContext', code: 5 })
    expect(await errorOf(() => engine.createContext({ memory: 'own' }))).toMatchObject({ code: 'OUT_OF_MEMORY' })
    const calls: (() => unknown)[] = [() => engine.profileShape('none', 0), () => engine.refit({ bytes: sumModel() })]
    if (version !== '10.0.0') calls.push(() => engine.setWeightStreamingBudget(0))
    for (const call of calls) {
      const error = await errorOf(call)
      expect(error).toMatchObject({ code: 'REFUSED', log: expect.any(Array) })
      expect(JSON.stringify(error.log)).not.toContain('createExecutionContext')
    }
    await engine.dispose()
  })

  it('loads plans from files, and refuses those that are cut', async () => {
    const plan = await suite.bench.plan(sumModel(), { profiles })
    const path = join(folder, 'sum.plan')
    writeFileSync(path, plan)
    await (await suite.bench.load({ path })).dispose()
    for (let size = 0; size < plan.byteLength; size += 97) {
      expect(await errorOf(() => suite.bench.load(plan.slice(0, size)))).toMatchObject({ code: 'REFUSED' })
    }
    const missing = join(folder, 'missing.plan')
    for (const unreadable of [missing, folder]) {
      const error = { code: 'FILE_UNREADABLE', path: unreadable }
      expect(await errorOf(() => suite.bench.load({ path: unreadable }))).toMatchObject(error)
      const request = { ...suite.bench.request(sumModel()), model: { path: unreadable } }
      expect(await errorOf(() => suite.bench.library.build(request, () => {}).done)).toMatchObject(error)
    }
    await suite.nothingLeft()
  })

  it('serialises and refits an engine', async () => {
    const engine = await suite.bench.engine(sumModel(), { profiles, flags: ['REFIT'] })
    expect(engine.refittable).toBe(true)
    expect((await engine.serialize()).byteLength).toBeGreaterThan(0)
    expect(await engine.refit({ bytes: sumModel() })).toEqual({ missing: [] })
    await engine.dispose()
  })

  it('profiles layers of the runs that are profiled', async () => {
    const engine = await suite.bench.engine(sumModel(), { profiles })
    const context = await engine.createContext({ memory: 'own' })
    await suite.runSum(context, 1, false)
    expect(context.reportProfile()).toEqual([])
    context.profile(true)
    const stream = suite.bench.cuda.createStream()
    const memory = ['a', 'b', 'sum', 'difference'].map((name) => {
      const part = suite.bench.cuda.allocate(64)
      context.setAddress(name, part.address)
      return part
    })
    context.enqueue(stream.handle)
    stream.synchronize()
    const times = context.reportProfile()
    expect(times.length).toBe(engine.layers)
    expect(times[0]).toEqual({ name: expect.any(String), ms: expect.any(Number) })
    context.profile(false)
    await context.dispose()
    await engine.dispose()
    for (const part of [...memory, stream]) part.dispose()
  })

  it('allocates outputs whose size depends on data', async () => {
    const info = (name: string, dtype: 'float32' | 'int64', shape: (string | number)[]) => ({ name, dtype, shape })
    const model = smallModel({
      inputs: [info('x', 'float32', [8])],
      outputs: [info('y', 'int64', [1, 'found'])],
      nodes: [['NonZero', ['x'], ['y']]],
    })
    const engine = await suite.bench.engine(model)
    const context = await engine.createContext({ memory: 'own' })
    const stream = suite.bench.cuda.createStream()
    const input = suite.bench.cuda.allocate(32)
    input.write(new Uint8Array(Float32Array.of(0, 1, 0, 0, 2, 3, 0, 0).buffer))
    context.setAddress('x', input.address)
    context.allocateOutput('y')
    expect(await errorOf(() => context.allocated('y'))).toMatchObject({ code: 'REFUSED' })
    context.enqueue(stream.handle)
    stream.synchronize()
    const { address, sizeBytes, shape } = context.allocated('y')
    expect(shape).toEqual([1, 3])
    expect(sizeBytes).toBeGreaterThanOrEqual(24)
    const copy = suite.bench.cuda.allocate(24)
    stream.copyOnDevice(copy.address, address, 24)
    stream.synchronize()
    expect([...new BigInt64Array(copy.read().slice().buffer)]).toEqual([1n, 4n, 5n])
    expect(await errorOf(() => context.allocated('x'))).toMatchObject({ code: 'INVALID_ARGUMENT' })
    const before = suite.bench.cuda.memoryInfo().freeBytes
    await context.dispose()
    expect(suite.bench.cuda.memoryInfo().freeBytes).toBeGreaterThan(before)
    await engine.dispose()
    for (const part of [input, copy, stream]) part.dispose()
  })

  it('captures no run whose outputs it allocates: the next one may free them', async () => {
    const engine = await suite.bench.engine(sumModel(), { profiles })
    const context = await engine.createContext({ memory: 'own' })
    const stream = suite.bench.cuda.createStream()
    const memory = suite.bench.cuda.allocate(1024)
    for (const name of ['a', 'b']) context.setInputShape(name, [2, 4])
    for (const [index, name] of ['a', 'b', 'difference'].entries())
      context.setAddress(name, memory.address + 256 * index)
    context.allocateOutput('sum')
    context.enqueue(stream.handle)
    stream.synchronize()
    expect(context.allocated('sum').shape).toEqual([2, 4])
    const error = await errorOf(() => stream.capture(() => context.enqueue(stream.handle)))
    expect(error).toMatchObject({ code: 'REFUSED', call: 'enqueueV3' })
    await context.dispose()
    await engine.dispose()
    for (const part of [memory, stream]) part.dispose()
  })

  it('works in memory that it is given, and takes the settings of a context', async () => {
    const engine = await suite.bench.engine(sumModel(), { profiles })
    const context = await engine.createContext({ memory: 'user' })
    for (const name of ['a', 'b']) context.setInputShape(name, [2, 4])
    expect(context.stridesOf('a')).toEqual([4, 1])
    expect(context.maxOutputBytes('sum')).toBeGreaterThanOrEqual(32)
    const memory = suite.bench.cuda.allocate(Math.max(context.memoryForShapes(), engine.deviceMemoryBytes(), 256))
    context.setDeviceMemory(memory.address, memory.sizeBytes)
    context.setAuxStreams([])
    expect(await errorOf(() => context.setAuxStreams([0]))).toMatchObject({ code: 'INVALID_ARGUMENT' })
    context.setPersistentCacheLimit(0)
    const event = suite.bench.cuda.createEvent(false)
    context.setInputConsumedEvent(event.handle)
    context.setNvtxVerbosity('NONE')
    await suite.runSum(context, 2, false)
    context.setInputConsumedEvent(0)
    if (version === '10.0.0') {
      const error = await errorOf(() => engine.weightStreaming())
      expect(error).toMatchObject({ code: 'CALL_UNAVAILABLE', version: '10.0.0', since: '10.1.0' })
    } else {
      expect(engine.weightStreaming()).toMatchObject({ streamableBytes: expect.any(Number) })
      expect(engine.profileValues('a', 0)).toEqual({ min: [], opt: [], max: [] })
    }
    await context.dispose()
    await engine.dispose()
    for (const part of [memory, event]) part.dispose()
  })

  it('frees what JavaScript lost', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    await (async () => {
      const engine = await suite.bench.engine(sumModel(), { profiles })
      await engine.createContext({ memory: 'own' })
    })()
    const left = () => {
      collect()
      return suite.alive()
    }
    await expect.poll(left, { timeout: 10_000 }).toBe(0)
  })
})
