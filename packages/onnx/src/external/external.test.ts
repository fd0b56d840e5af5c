import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isLowlatError, Tensor } from '@lowlat/core'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { GraphBuilder } from '../build/graph-builder.ts'
import type { ModelProto, TensorProto } from '../codec/messages.ts'
import { decodeModel, encodeModel } from '../codec/model.ts'
import { graphFromOnnx } from '../graph/from-onnx.ts'
import { onnxFromGraph } from '../graph/to-onnx.ts'
import { graphFromFile } from './graph-from-file.ts'
import { saveGraph } from './save-graph.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lowlat-external-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const at = (name: string) => join(folder, name)

/** y = x @ w [300, 300] + b [300] + small [1] */
function build() {
  const g = new GraphBuilder('test')
  const x = g.input('x', 'float32', [1, 300])
  const product = g.op('MatMul', [x, g.weights('w', [300, 300], 0.1)])
  const sum = g.op('Sum', [product, g.weights('b', [300], 1), g.weights('small', [1], 1)])
  g.output(
    'y',
    g.op('Cast', [g.op('Add', [sum, g.weights('large', [1024, 300], 1)])], { to: 1 }),
    'float32',
    [1024, 300],
  )
  return g.graph
}

const fieldsOf = (tensor: TensorProto | undefined) =>
  Object.fromEntries(tensor?.externalData?.map(({ key, value }) => [key, value]) ?? [])

describe('saving with external data', () => {
  it('places weights aligned in a file beside the model, from which both sides read them', async () => {
    const graph = build()
    await saveGraph(graph, at('model.onnx'), { externalData: { fileName: 'model.weights' } })
    expect(readdirSync(folder).sort()).toEqual(['model.onnx', 'model.weights'])
    const tensors = decodeModel(readFileSync(at('model.onnx'))).graph!.initializer!
    expect(tensors.map((tensor) => [tensor.name, fieldsOf(tensor)])).toEqual([
      ['w', { location: 'model.weights', offset: '0', length: '360000' }],
      ['b', { location: 'model.weights', offset: '360000', length: '1200' }],
      ['small', {}],
      ['large', { location: 'model.weights', offset: '364544', length: '1228800' }],
    ])
    expect(tensors[0]!.rawData).toBeUndefined()
    const read = await graphFromFile(at('model.onnx'))
    expect(read.initializers.every(({ initializer }) => !initializer!.isExternal)).toBe(true)
    expect(Buffer.compare(onnxFromGraph(read), onnxFromGraph(graph))).toBe(0)
    const session = await InferenceSession.create(at('model.onnx'), { logSeverityLevel: 4 })
    const outputs = await session.run({ x: new OrtTensor('float32', new Float32Array(300), [1, 300]) })
    await session.release()
    expect(outputs.y!.dims).toEqual([1024, 300])
  })

  it('moves what a threshold says, from typed fields and subgraphs too', async () => {
    const weight = { name: 'i', dims: [4n], dataType: 7, int64Data: [1n, -2n, 3n, 1n << 40n] }
    const branch = { name: 'b', initializer: [weight], node: [{ opType: 'Abs', input: ['i'], output: ['o'] }] }
    const attribute = [
      { name: 'then_branch', type: 5, g: { ...branch, output: [{ name: 'o' }] } },
      { name: 'value', type: 4, t: { dims: [2n], dataType: 1, floatData: [1, 2] } },
    ]
    const model: ModelProto = {
      irVersion: 8n,
      opsetImport: [{ version: 17n }],
      graph: {
        input: [{ name: 'c' }],
        node: [{ opType: 'If', input: ['c'], output: ['y'], attribute }],
        initializer: [{ name: 's', dims: [1n], dataType: 8, stringData: [new Uint8Array(3)] }],
      },
    }
    const graph = graphFromOnnx(encodeModel(model))
    await saveGraph(graph, at('m.onnx'), { externalData: { fileName: 'w', thresholdBytes: 0 } })
    const saved = decodeModel(readFileSync(at('m.onnx'))).graph!
    const [branchAttribute, valueAttribute] = saved.node![0]!.attribute!
    expect(fieldsOf(branchAttribute!.g!.initializer![0])).toMatchObject({ length: '32' })
    expect([saved.initializer![0]!.stringData!.length, valueAttribute!.t!.dataLocation]).toEqual([1, undefined])
    const read = await graphFromFile(at('m.onnx'))
    const inner = read.nodes[0]!.graph('then_branch').initializers[0]!.initializer!
    expect(inner.tensor.data).toEqual(BigInt64Array.of(1n, -2n, 3n, 1n << 40n))
  })

  it('replaces files that are there, also those that the graph was read from', async () => {
    const options = { externalData: { fileName: 'weights' } }
    await saveGraph(build(), at('model.onnx'), options)
    const read = await graphFromFile(at('model.onnx'))
    const before = onnxFromGraph(read)
    await saveGraph(read, at('model.onnx'), options)
    expect(Buffer.compare(onnxFromGraph(await graphFromFile(at('model.onnx'))), before)).toBe(0)
    await saveGraph(read, at('model.onnx'))
    expect(Buffer.compare(readFileSync(at('model.onnx')), before)).toBe(0)
  })

  it('leaves nothing behind, and what was there untouched, where a weight cannot be written', async () => {
    const options = { externalData: { fileName: 'weights' } }
    await saveGraph(build(), at('model.onnx'), options)
    const before = statSync(at('weights')).ino
    const bad = graphFromOnnx(
      encodeModel({ graph: { initializer: [{ name: 'w', dims: [999n], dataType: 1, rawData: new Uint8Array(3) }] } }),
    )
    await expect(saveGraph(bad, at('model.onnx'), options)).rejects.toThrow(/3996 bytes for the tensor 'w'/)
    expect(readdirSync(folder).sort()).toEqual(['model.onnx', 'weights'])
    expect(statSync(at('weights')).ino).toBe(before)
  })

  it('refuses more than 2 GiB in one file, before it writes anything', async () => {
    const g = new GraphBuilder('large')
    const tensor = Tensor.zeros('float32', [1 << 24])
    for (let i = 0; i < 33; i++) g.constant('w', tensor)
    await expect(saveGraph(g.graph, at('model.onnx'))).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' })
    await expect(saveGraph(g.graph, at('model.onnx'))).rejects.toThrow(/externalData/)
    expect(readdirSync(folder)).toEqual([])
  })

  it.each(['', '.', '..', 'a/b', '../w', 'model.onnx'])("refuses '%s' as the name of the file", async (fileName) => {
    const saved = saveGraph(build(), at('model.onnx'), { externalData: { fileName } })
    await expect(saved).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('refuses weights that are still in another file', async () => {
    await saveGraph(build(), at('model.onnx'), { externalData: { fileName: 'weights' } })
    const graph = graphFromOnnx(readFileSync(at('model.onnx')))
    expect(graph.initializers[0]!.initializer!.isExternal).toBe(true)
    await expect(saveGraph(graph, at('copy.onnx'))).rejects.toThrow(/graphFromFile/)
  })
})

describe('reading external data', () => {
  const save = (fields: Record<string, string>, tensor: TensorProto = { dims: [2n], dataType: 1 }) => {
    const externalData = Object.entries(fields).map(([key, value]) => ({ key, value }))
    const initializer = [{ name: 'w', ...tensor, dataLocation: 1, externalData }]
    writeFileSync(
      at('model.onnx'),
      encodeModel({ irVersion: 8n, opsetImport: [{ version: 17n }], graph: { initializer } }),
    )
  }
  const values = (...list: number[]) => new Uint8Array(Float32Array.from(list).buffer)
  const codeOf = (run: Promise<unknown>) =>
    run.then(
      () => 'nothing',
      (error: unknown) => (isLowlatError(error) ? error.code : error),
    )
  const read = async () => (await graphFromFile(at('model.onnx'))).initializers[0]!.initializer!

  it('takes offset and length from type and shape where they are left out', async () => {
    writeFileSync(at('w.bin'), values(1, 2, 3))
    save({ location: 'w.bin' })
    expect((await read()).tensor.data).toEqual(Float32Array.of(1, 2))
    save({ location: 'w.bin', offset: '4', length: '8' })
    expect((await read()).tensor.data).toEqual(Float32Array.of(2, 3))
  })

  it('reads folders below, links within, attributes, sparse tensors and functions', async () => {
    mkdirSync(at('sub'))
    writeFileSync(at('sub/w.bin'), values(1, 2))
    symlinkSync(at('sub/w.bin'), at('link'))
    const tensor = (location: string): TensorProto => ({
      name: location,
      dims: [2n],
      dataType: 1,
      dataLocation: 1,
      externalData: [{ key: 'location', value: location }],
    })
    const constant = (location: string) => ({
      opType: 'Constant',
      output: [location],
      attribute: [
        { name: 'value', type: 4, t: tensor(location) },
        { name: 'list', type: 9, tensors: [tensor(location)] },
        { name: 'sparse', type: 11, sparseTensor: { values: tensor(location), dims: [2n] } },
      ],
    })
    const model: ModelProto = {
      opsetImport: [{ version: 17n }],
      functions: [{ name: 'f', node: [constant('sub/w.bin')] }],
      graph: { node: [constant('link')], sparseInitializer: [{ values: tensor('./sub/w.bin'), dims: [2n] }] },
    }
    writeFileSync(at('model.onnx'), encodeModel(model))
    const graph = await graphFromFile(at('model.onnx'))
    expect(graph.nodes[0]!.tensor('value').tensor.data).toEqual(Float32Array.of(1, 2))
    expect(Buffer.from(onnxFromGraph(graph)).includes('location')).toBe(false)
  })

  it.each([
    ['a parent folder', '../outside'],
    ['a parent folder on the way', 'sub/../../outside'],
    ['an absolute path', '/etc/hostname'],
    ["Windows' separators", '..\\outside'],
    ['a drive', 'C:outside'],
    ['no location', ''],
  ])('refuses %s', async (_, location) => {
    save({ location })
    expect(await codeOf(read())).toBe('MODEL_INVALID')
  })

  it('refuses a link that leads out of the folder', async () => {
    const inner = at('inner')
    mkdirSync(inner)
    writeFileSync(at('outside'), values(1, 2))
    symlinkSync(at('outside'), join(inner, 'link'))
    save({ location: 'link' })
    writeFileSync(join(inner, 'model.onnx'), readFileSync(at('model.onnx')))
    await expect(graphFromFile(join(inner, 'model.onnx'))).rejects.toThrow(/'link' is a link to/)
  })

  it.each<[string, Record<string, string>, TensorProto | undefined, string]>([
    ['a missing file', { location: 'none' }, undefined, 'MODEL_NOT_FOUND'],
    ['a folder', { location: '.' }, undefined, 'MODEL_INVALID'],
    ['a folder below', { location: 'sub' }, undefined, 'MODEL_NOT_FOUND'],
    ['a short file', { location: 'w.bin', offset: '8' }, undefined, 'MODEL_INVALID'],
    ['a length that is not that of the tensor', { location: 'w.bin', length: '4' }, undefined, 'MODEL_INVALID'],
    ['an offset that is no number', { location: 'w.bin', offset: '-1' }, undefined, 'MODEL_INVALID'],
    ['a tensor larger than the file', { location: 'w.bin' }, { dims: [1n << 50n], dataType: 1 }, 'MODEL_INVALID'],
    ['strings without a length', { location: 'w.bin' }, { dims: [1n], dataType: 8 }, 'MODEL_INVALID'],
  ])('refuses %s', async (_, fields, tensor, code) => {
    mkdirSync(at('sub'))
    writeFileSync(at('w.bin'), values(1, 2))
    save(fields, tensor)
    expect(await codeOf(read())).toBe(code)
  })

  it('refuses ranges that overlap, but lets tensors share one', async () => {
    writeFileSync(at('w.bin'), values(1, 2))
    const tensor = (name: string, offset: number, location = 'w.bin'): TensorProto => ({
      name,
      dims: [1n],
      dataType: 1,
      dataLocation: 1,
      externalData: [
        { key: 'location', value: location },
        { key: 'offset', value: String(offset) },
      ],
    })
    const write = (...initializer: TensorProto[]) =>
      writeFileSync(at('model.onnx'), encodeModel({ graph: { initializer } }))
    write(tensor('a', 0), tensor('b', 0), tensor('c', 4, './w.bin'))
    const [a, b] = (await graphFromFile(at('model.onnx'))).initializers
    expect(a!.initializer!.message.rawData).toBe(b!.initializer!.message.rawData)
    write(tensor('a', 0), tensor('b', 1), tensor('c', 2, './w.bin'))
    expect(await codeOf(read())).toBe('MODEL_INVALID')
  })

  it('refuses what is no path of a file', async () => {
    expect(await codeOf(graphFromFile(at('none.onnx')))).toBe('MODEL_NOT_FOUND')
    expect(await codeOf(graphFromFile(new Uint8Array(1) as unknown as string))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(graphFromFile(new URL('https://example.com/model.onnx')))).toBe('INVALID_ARGUMENT')
  })
})
