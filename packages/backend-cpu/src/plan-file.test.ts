import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSession, payloadFileName, Tensor } from '@lowlat/core'
import { decodeModel, GraphBuilder, onnxFromGraph } from '@lowlat/onnx'
import { denseModel } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBackend } from './backend.ts'
import { readPlanModel } from './plan-file.ts'
import { writePlanFile } from './plan-writer.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lowlat-plan-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const weights = new Tensor(
  'float32',
  [65, 33],
  new Float32Array(65 * 33).map((_, i) => Math.sin(i)),
)

async function plan(): Promise<{ path: string; bytes: Buffer }> {
  const here = await mkdtemp(join(folder, 'plan-'))
  const model = join(here, 'model.onnx')
  const path = join(here, payloadFileName)
  await writeFile(model, denseModel(weights))
  await writePlanFile({ optimizedPath: model, modelFolder: here, units: { fours: false, tiles: false } }, path)
  return { path, bytes: await readFile(path) }
}

describe("a plan's file", () => {
  it('holds the weights at multiples of 64 bytes, and the model that refers to them', async () => {
    const { path, bytes } = await plan()
    const { graph } = decodeModel(await readPlanModel(path))
    const [tensor] = graph?.initializer ?? []
    const fields = Object.fromEntries(tensor?.externalData?.map(({ key, value }) => [key, value]) ?? [])
    expect(fields).toMatchObject({ location: payloadFileName, length: String(weights.byteLength) })
    expect(Number(fields.offset) % 64).toBe(0)
    const stored = bytes.subarray(Number(fields.offset), Number(fields.offset) + weights.byteLength)
    expect(Buffer.compare(stored, weights.bytes)).toBe(0)
    expect(tensor?.rawData).toBeUndefined()
  })

  it('runs models with hundreds of sizes, which the library reads only from the model itself', async () => {
    const count = 300
    const g = new GraphBuilder('split')
    const x = g.input('x', 'float32', [count])
    const split = g.graph.addNode({
      opType: 'Split',
      inputs: [x, g.int64('sizes', new Array<number>(count).fill(1))],
      outputs: count,
    })
    g.output('y', g.op('Add', [split.outputs[0], split.outputs[count - 1]]), 'float32', [1])
    await using session = await createSession(onnxFromGraph(g.graph), { backend: createBackend(), cache: false })
    const feeds = {
      x: new Tensor(
        'float32',
        [count],
        Float32Array.from({ length: count }, (_, i) => i),
      ),
    }
    expect((await session.run(feeds)).y!.data).toEqual(Float32Array.of(count - 1))
  })

  it('is refused by PLAN_INVALID wherever it was cut off', async () => {
    const { bytes } = await plan()
    const path = join(await mkdtemp(join(folder, 'cut-')), payloadFileName)
    for (let length = 0; length < bytes.length; length += 101) {
      await writeFile(path, bytes.subarray(0, length))
      await expect(readPlanModel(path)).rejects.toMatchObject({ code: 'PLAN_INVALID' })
    }
  })

  it('is refused under another name, since it refers to itself', async () => {
    const path = join(folder, 'other-name')
    await writeFile(path, (await plan()).bytes)
    await expect(readPlanModel(path)).rejects.toThrow(/named 'other-name'/)
  })

  it('is refused when it is absent, or something else', async () => {
    const path = join(await mkdtemp(join(folder, 'else-')), payloadFileName)
    await expect(readPlanModel(path)).rejects.toMatchObject({ code: 'PLAN_INVALID' })
    await writeFile(path, 'x'.repeat(4096))
    await expect(readPlanModel(path)).rejects.toMatchObject({ code: 'PLAN_INVALID' })
  })

  it('is compiled anew when the one in the cache was damaged', async () => {
    const cache = { folder: join(folder, 'cache') }
    const feeds = { x: new Tensor('float32', [1, 65], new Float32Array(65).fill(1)) }
    const run = async () => {
      await using session = await createSession(denseModel(weights), { backend: createBackend(), cache })
      return [...(await session.run(feeds)).y!.toFloat32()]
    }
    const expected = await run()
    const [key] = await readdir(join(cache.folder, 'plans'))
    const path = join(cache.folder, 'plans', key!, payloadFileName)
    const bytes = await readFile(path)
    for (const damaged of [bytes.subarray(0, 100), Buffer.alloc(bytes.length), Buffer.concat([bytes, bytes])]) {
      await writeFile(path, damaged)
      expect(await run()).toEqual(expected)
      expect(Buffer.compare(await readFile(path), bytes)).toBe(0)
    }
  })
})
