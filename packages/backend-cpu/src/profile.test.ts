import { Readable } from 'node:stream'
import { createSession, Tensor } from '@lowlat/core'
import { decodeModel, encodeModel } from '@lowlat/onnx'
import { denseModel, gatherModel, identityModel } from '@lowlat/testing'
import { describe, expect, it } from 'vitest'
import { createBackend } from './backend.ts'
import { layerTimings } from './profile.ts'

const cpu = (placement: 'worker' | 'inline') => ({
  backend: createBackend(),
  backendOptions: { cpu: { placement } },
  cache: false,
})

describe('the profile of a session', () => {
  it('has every layer, by name and operator, in the order in which they run', async () => {
    const x = Tensor.zeros('float32', [3, 64])
    for (const placement of ['worker', 'inline'] as const) {
      await using session = await createSession(denseModel(Tensor.zeros('float32', [64, 32])), cpu(placement))
      const layers = await session.profile({ x }, 5)
      expect(layers.map(({ name, operator, calls }) => [name, operator, calls])).toEqual([
        ['MatMul_product', 'MatMul', 5],
        ['Relu_y', 'Relu', 5],
      ])
      expect(layers.every(({ meanUs }) => meanUs >= 0)).toBe(true)
      expect((await session.run({ x })).y!.shape).toEqual([3, 32])
    }
  })

  it('takes any name of a layer', async () => {
    const { graph, ...model } = decodeModel(identityModel('float32'))
    for (const name of ['C:\\new', 'said "no"', 'two\nlines', 'größe', '']) {
      const node = graph?.node?.map((each) => ({ ...each, name })) ?? []
      await using session = await createSession(encodeModel({ ...model, graph: { ...graph, node } }), cpu('worker'))
      const [layer] = await session.profile({ x: Tensor.zeros('float32', [4]) }, 2)
      expect(layer).toMatchObject({ name: name || 'Identity_0', operator: 'Identity', calls: 2 })
    }
  })

  it('fails as a run does, and the session goes on', async () => {
    await using session = await createSession(gatherModel(Tensor.zeros('float32', [3, 4])), {
      ...cpu('worker'),
      warmup: false,
    })
    const index = (value: bigint) => ({ index: new Tensor('int64', [], BigInt64Array.of(value)) })
    await expect(session.profile(index(9n), 2)).rejects.toMatchObject({ code: 'RUN_FAILED' })
    expect((await session.run(index(1n))).row!.shape).toEqual([4])
  })
})

describe('a trace', () => {
  const node = (name: string, dur: number) =>
    `{"cat" : "Node","dur" :${dur},"name" :"${name}_kernel_time","args" : {"op_name" : "Cast"}},`
  const layers = new Map([['#0', { name: 'a', operator: 'Op' }]])
  const run = '{"cat" : "Session","dur" :9,"name" :"model_run","args" : {}},'
  const trace = (...lines: string[]) => Readable.from(['[\n', ...lines.map((line) => `${line}\n`), ']\n'])

  it('gives mean times per call, without the warm-up', async () => {
    const lines = [
      node('#0', 1000),
      run,
      node('#0', 1000),
      run,
      node('#0', 10),
      node('added', 20),
      run,
      node('#0', 60),
      run,
    ]
    expect(await layerTimings(trace(...lines), layers, 2)).toEqual([
      { name: 'a', operator: 'Op', meanUs: 35, calls: 2 },
      { name: 'added', operator: 'Cast', meanUs: 20, calls: 1 },
    ])
  })

  it('that is incomplete is an error', async () => {
    await expect(layerTimings(trace(run, run, run), layers, 2)).rejects.toMatchObject({
      code: 'RUN_FAILED',
      expected: 2,
      received: 1,
    })
  })
})
