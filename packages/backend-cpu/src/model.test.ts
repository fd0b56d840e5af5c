import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Backend, createSession, type Feeds, type Fetches, type Precision, Tensor } from '@lowlat/core'
import { decodeModel, encodeModel, type ModelProto, type TensorProto } from '@lowlat/onnx'
import { denseModel, gatherModel, identityModel, smallModel, sumModel } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBackend } from './backend.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lowlat-cpu-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const weights = new Tensor('float32', [4, 2], Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8))
const ones = new Tensor('float32', [1, 4], new Float32Array(4).fill(1))

const compile = async (bytes: Uint8Array, precision: Precision = 'model') =>
  createBackend().compile(
    { kind: 'bytes', bytes },
    { precision, profiles: [], backendOptions: {}, workFolder: await mkdtemp(join(folder, 'work-')) },
  )

describe('what is not a model', () => {
  const text = (value: string) => new TextEncoder().encode(value)

  it('is refused, saying what it is instead', async () => {
    const jpeg = Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 16, 74, 70, 73, 70)
    for (const [bytes, what] of [
      [jpeg, 'a JPEG image'],
      [text('PK\u0003\u0004model.pt'), 'a zip archive'],
      [text('<!DOCTYPE html>'), 'a web page'],
      [text('    ORTM    '), 'own format'],
    ] as const) {
      await expect(compile(bytes)).rejects.toMatchObject({
        code: 'MODEL_INVALID',
        message: expect.stringContaining(what),
      })
    }
  })

  it('is refused wherever a file was cut off', async () => {
    const model = denseModel(weights)
    for (let length = 1; length < model.length; length += 7) {
      await expect(compile(model.subarray(0, length))).rejects.toMatchObject({ name: 'ModelError' })
    }
  })
})

describe('precision', () => {
  it('is what the model has, or an error with the remedy', async () => {
    const float = sumModel()
    const half = identityModel('float16')
    await expect(compile(float, 'fp32')).resolves.toBeDefined()
    await expect(compile(half, 'fp16')).resolves.toBeDefined()
    for (const [model, precision] of [
      [float, 'int8'],
      [float, 'fp16'],
      [half, 'fp32'],
    ] as const) {
      await expect(compile(model, precision)).rejects.toMatchObject({
        code: 'PRECISION_UNAVAILABLE',
        expected: precision,
      })
    }
    await expect(compile(float, 'int8')).rejects.toThrow(/Quantize the model first/)
  })
})

describe('weights that are listed as inputs', () => {
  it('need not be fed', async () => {
    const model = decodeModel(denseModel(weights))
    const { graph } = model
    const listed = {
      name: 'weights',
      type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 4n }, { dimValue: 2n }] } } },
    }
    const old = encodeModel({ ...model, irVersion: 3n, graph: { ...graph, input: [...(graph?.input ?? []), listed] } })
    await using session = await createSession(old, { backend: createBackend(), cache: false })
    expect(session.inputs.map((input) => input.name)).toEqual(['x'])
    const { y } = await session.run({ x: ones })
    expect([...y!.toFloat32()]).toEqual([16, 20])
  })
})

describe('weights in files of their own', () => {
  const external = (bytes: Uint8Array): ModelProto => {
    const model = decodeModel(bytes)
    const initializer = model.graph?.initializer?.map(({ rawData: _, ...rest }) => ({
      ...rest,
      dataLocation: 1,
      externalData: [{ key: 'location', value: 'weights.bin' }],
    }))
    return { ...model, graph: { ...model.graph, ...(initializer && { initializer }) } }
  }

  it('are found beside the model, and compiled anew when they change', async () => {
    const path = join(folder, 'external.onnx')
    await writeFile(path, encodeModel(external(denseModel(weights))))
    await writeFile(join(folder, 'weights.bin'), weights.bytes)
    const backend = createBackend()
    let compiles = 0
    const counted: Backend = {
      ...backend,
      compile(...args) {
        compiles++
        return backend.compile(...args)
      },
    }
    const options = { backend: counted, cache: { folder: join(folder, 'cache') } }
    const run = async () => {
      await using session = await createSession(path, options)
      return [...(await session.run({ x: ones })).y!.toFloat32()]
    }
    expect([await run(), await run()]).toEqual([
      [16, 20],
      [16, 20],
    ])
    expect(compiles).toBe(1)
    await writeFile(join(folder, 'weights.bin'), new Float32Array(8).fill(3))
    await utimes(join(folder, 'weights.bin'), new Date(), new Date(Date.now() + 5_000))
    expect(await run()).toEqual([12, 12])
    expect(compiles).toBe(2)
  })

  const inFile = (name: string): TensorProto => ({
    name,
    dataType: 1,
    dims: [1024n],
    dataLocation: 1,
    externalData: [
      { key: 'location', value: 'branches.bin' },
      { key: 'offset', value: '4096' },
      { key: 'length', value: '4096' },
    ],
  })
  const inModel = (name: string): TensorProto => ({
    name,
    dataType: 1,
    dims: [1024n],
    rawData: new Tensor('float32', [1024], new Float32Array(1024).fill(2)).bytes,
  })
  const info = (name: string, elemType: number, dims: bigint[]) => ({
    name,
    type: { tensorType: { elemType, shape: { dim: dims.map((dimValue) => ({ dimValue })) } } },
  })
  /** y = x + weights, in a branch of an If; or the weights themselves, from a Constant, in the other one. */
  const branches = (weightsNamed: (name: string) => TensorProto): ModelProto => ({
    irVersion: 8n,
    opsetImport: [{ domain: '', version: 13n }],
    graph: {
      name: 'branches',
      input: [info('x', 1, [1024n]), info('sum', 9, [])],
      output: [info('y', 1, [1024n])],
      node: [
        {
          opType: 'If',
          input: ['sum'],
          output: ['y'],
          attribute: [
            {
              name: 'then_branch',
              type: 5,
              g: {
                name: 'then',
                node: [{ opType: 'Add', input: ['x', 'weights'], output: ['added'] }],
                initializer: [weightsNamed('weights')],
                output: [info('added', 1, [1024n])],
              },
            },
            {
              name: 'else_branch',
              type: 5,
              g: {
                name: 'else',
                node: [
                  { opType: 'Constant', output: ['c'], attribute: [{ name: 'value', type: 4, t: weightsNamed('c') }] },
                  { opType: 'Identity', input: ['c'], output: ['constant'] },
                ],
                output: [info('constant', 1, [1024n])],
              },
            },
          ],
        },
      ],
    },
  })
  const expectBranches = async (run: (feeds: Feeds) => Promise<Fetches>) => {
    const x = new Tensor('float32', [1024], new Float32Array(1024).fill(5))
    for (const [sum, expected] of [
      [1, 7],
      [0, 2],
    ] as const) {
      const { y } = await run({ x, sum: new Tensor('bool', [], Uint8Array.of(sum)) })
      expect(new Set(y!.toFloat32())).toEqual(new Set([expected]))
    }
  }

  it('are found for the branches of an If, too, and for constants', async () => {
    const path = join(folder, 'branches.onnx')
    await writeFile(path, encodeModel(branches(inFile)))
    await writeFile(join(folder, 'branches.bin'), new Float32Array(2048).fill(2, 1024))
    const workFolder = await mkdtemp(join(folder, 'work-'))
    const options = { precision: 'model', profiles: [], backendOptions: {}, workFolder } as const
    const plan = await createBackend().compile({ kind: 'file', path }, options)
    expect(plan.dependencies?.map((stamp) => stamp.path)).toEqual([join(folder, 'branches.bin')])
    await rm(join(folder, 'branches.bin')) // the plan has weights of its own
    for (const placement of ['worker', 'inline'] as const) {
      await using engine = await createBackend().load(plan, { backendOptions: { placement } })
      await using context = await engine.createContext()
      await expectBranches((feeds) => context.run(feeds))
    }
  })

  it.each([
    ['in a file', inFile],
    ['in the model', inModel],
  ])('of branches open through the plan cache, %s', async (_, weightsNamed) => {
    const place = await mkdtemp(join(folder, 'cached-'))
    const path = join(place, 'branches.onnx')
    await writeFile(path, encodeModel(branches(weightsNamed)))
    await writeFile(join(place, 'branches.bin'), new Float32Array(2048).fill(2, 1024))
    for (const placement of ['worker', 'inline'] as const) {
      const cache = { folder: join(place, placement) }
      for (const _ of ['cold', 'warm']) {
        const options = { backend: createBackend(), cache, backendOptions: { cpu: { placement } } }
        await using session = await createSession(path, options)
        await expectBranches((feeds) => session.run(feeds))
      }
    }
  })

  it('cannot be found from bytes alone', async () => {
    await expect(compile(encodeModel(external(denseModel(weights))))).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      remedy: expect.stringContaining('path'),
    })
    await expect(compile(encodeModel(branches(inFile)))).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' })
  })
})

describe('inputs that JavaScript has no numbers for', () => {
  it('are refused by name', async () => {
    const model = decodeModel(gatherModel(weights))
    const info = { name: 'index', type: { tensorType: { elemType: 8, shape: { dim: [] } } } }
    const bytes = encodeModel({ ...model, graph: { ...model.graph, input: [info] } })
    await expect(compile(bytes)).rejects.toMatchObject({ name: 'ModelError' })
    const bfloat16 = smallModel({
      inputs: [{ name: 'x', dtype: 'bfloat16', shape: [2] }],
      outputs: [{ name: 'y', dtype: 'bfloat16', shape: [2] }],
      nodes: [['Identity', ['x'], ['y']]],
    })
    await expect(compile(bfloat16)).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED', received: 'bfloat16' })
  })
})
