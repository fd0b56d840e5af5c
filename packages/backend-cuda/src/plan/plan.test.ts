import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Tensor } from '@lowlat/core'
import { graphFromOnnx } from '@lowlat/onnx'
import { denseModel } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Checksum } from './checksum.ts'
import type { PlanFacts } from './header.ts'
import { PackingStore } from './packing-store.ts'
import { PlanFile } from './plan-file.ts'
import { PlanConstants, ProgramConstants } from './program-constants.ts'
import { writePlan } from './write-plan.ts'

const facts: PlanFacts = {
  kernels: 'abc',
  device: { computeCapability: 90, multiprocessors: 132, sharedBytesPerBlock: 232_448, l2Bytes: 50 << 20 },
  tf32: false,
}

const numbers = (count: number, first = 0) => Uint8Array.from({ length: count }, (_, i) => (first + i * 7) % 251)

let folder: string
let path: string
let bytes: Uint8Array

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lowlat-plan-'))
  path = join(folder, 'payload')
  const store = new PackingStore()
  store.get('a', 'int8', [1000], () => numbers(1000))
  store.get('b', 'float32', [64, 4], () => numbers(1024, 3))
  store.get('a', 'int8', [1000], () => expect.unreachable('packed twice'))
  store.get('empty', 'float32', [0, 4], () => new Uint8Array(0))
  const graph = graphFromOnnx(denseModel(Tensor.zeros('float32', [4, 2])))
  await writePlan(path, { facts, precision: 'fp16', graph, kept: new Set(), store })
  bytes = new Uint8Array(await readFile(path))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const openBytes = (changed: Uint8Array, here = facts) => PlanFile.open({ kind: 'bytes', bytes: changed }, here)

async function weightsOf(plan: PlanFile): Promise<Uint8Array> {
  const all = new Uint8Array(plan.header.weights.sizeBytes)
  const memory = new Uint8Array(512)
  await plan.readWeights(
    () => memory,
    (piece, offset) => all.set(piece, offset),
  )
  return all
}

describe('a plan', () => {
  it('comes back from its file and from bytes as it was written', async () => {
    for (const payload of [{ kind: 'file', path } as const, { kind: 'bytes', bytes } as const]) {
      await using plan = await PlanFile.open(payload, facts)
      expect(plan.header).toMatchObject({ facts, precision: 'fp16' })
      const weights = await weightsOf(plan)
      const [a, b, empty] = plan.header.constants
      expect([a, b, empty].map((entry) => [entry!.key, entry!.dtype, entry!.shape, entry!.offset % 256])).toEqual([
        ['a', 'int8', [1000], 0],
        ['b', 'float32', [64, 4], 0],
        ['empty', 'float32', [0, 4], 0],
      ])
      expect(weights.subarray(a!.offset, a!.offset + 1000)).toEqual(numbers(1000))
      expect(weights.subarray(b!.offset, b!.offset + 1024)).toEqual(numbers(1024, 3))
    }
  })

  it('keeps the model, without the weights that were not asked for', async () => {
    await using plan = await openBytes(bytes)
    const graph = await plan.readGraph()
    expect(graph.nodes.map(({ opType }) => opType)).toEqual(['MatMul', 'Relu'])
    const [weights] = graph.initializers
    expect(weights!.initializer).toMatchObject({ isExternal: true, shape: [4, 2], elementType: 'float32' })
    expect(() => weights!.initializer!.tensor).toThrow(expect.objectContaining({ code: 'MODEL_UNSUPPORTED' }))
  })

  it.each([
    ['kernels', { ...facts, kernels: 'abd' }],
    ['computeCapability', { ...facts, device: { ...facts.device, computeCapability: 80 } }],
    ['multiprocessors', { ...facts, device: { ...facts.device, multiprocessors: 114 } }],
    ['tf32', { ...facts, tf32: true }],
  ])('for other %s is stale, and says so', async (differs, here) => {
    await expect(openBytes(bytes, here)).rejects.toMatchObject({ code: 'PLAN_STALE', details: { differs } })
  })

  it('of another format is stale', async () => {
    const changed = bytes.slice()
    changed[8]!++
    await expect(openBytes(changed)).rejects.toMatchObject({ code: 'PLAN_STALE', details: { differs: 'format' } })
  })

  it('cut short anywhere is refused', async () => {
    for (let length = 0; length < bytes.byteLength; length += 97) {
      await expect(openBytes(bytes.subarray(0, length))).rejects.toMatchObject({ code: 'PLAN_INVALID' })
    }
  })

  it('that was damaged anywhere is refused, when it is opened or when what is damaged is read', async () => {
    const header = JSON.stringify((await openBytes(bytes)).header)
    for (let at = 0; at < bytes.byteLength; at += 13) {
      const changed = bytes.slice()
      changed[at]! ^= 0x10
      const reading = (async () => {
        await using plan = await openBytes(changed)
        await plan.readGraph()
        await weightsOf(plan)
        return JSON.stringify(plan.header)
      })()
      // What lies between the parts is not part of the plan.
      const outcome = await reading.catch((error: unknown) => error)
      if (outcome !== header) expect(outcome).toMatchObject({ code: expect.stringMatching(/^PLAN_/) })
      else expect(bytes[at]).toBe(0)
    }
  })

  it('that is not there, or something else, is refused', async () => {
    const opening = PlanFile.open({ kind: 'file', path: join(folder, 'none') }, facts)
    await expect(opening).rejects.toMatchObject({ code: 'PLAN_INVALID' })
    const other = join(folder, 'other')
    await writeFile(other, 'something else that is long enough to hold a header')
    await expect(PlanFile.open({ kind: 'file', path: other }, facts)).rejects.toMatchObject({ code: 'PLAN_INVALID' })
  })
})

it('knows which weights were packed, alone or with others', () => {
  const store = new PackingStore()
  for (const key of ['a/plain/int8[1]', 'b+layer.c++d/rows/int8[1]']) store.get(key, 'int8', [1], () => numbers(1))
  expect(['a', 'b', 'layer.c', 'd'].map((name) => store.holdsWeight(name))).toEqual([true, true, true, true])
  expect(['c', 'plain', 'layer', 'e'].map((name) => store.holdsWeight(name))).toEqual([false, false, false, false])
})

describe('the constants of a program', () => {
  const plan = new PlanConstants([{ key: 'a', dtype: 'int8', shape: [4], offset: 256, sizeBytes: 4 }])

  it('are those of the plan, and tables of its own', () => {
    const constants = new ProgramConstants(plan)
    const a = constants.get('a', 'int8', [4], () => expect.unreachable('packed at run time'))
    expect([a.buffer.name, plan.offsetOf('a')]).toEqual(['a', 256])
    const [one, two] = [numbers(5), numbers(300)]
    constants.get('table/1', 'int8', [5], () => one)
    const view = constants.get('table/2', 'int8', [300], () => two)
    expect(constants.get('table/2', 'int8', [300], () => expect.unreachable('made twice'))).toBe(view)
    const [first, second] = [constants.tableOffset('table/1')!, constants.tableOffset('table/2')!]
    expect(constants.tableBytes().subarray(first, first + 5)).toEqual(one)
    expect(constants.tableBytes().subarray(second, second + 300)).toEqual(two)
    expect(second % 256).toBe(0)
  })

  it('include weights that are packed late, for all programs', () => {
    const late = new PlanConstants([])
    const view = new ProgramConstants(late).get('b', 'int8', [4], () => numbers(4))
    expect(late.late('b')).toEqual({ view, bytes: numbers(4) })
    expect(new ProgramConstants(late).get('b', 'int8', [4], () => expect.unreachable('packed twice'))).toBe(view)
  })

  it('do not include weights whose elements the plan left out', async () => {
    await using file = await openBytes(bytes)
    const [weights] = (await file.readGraph()).initializers
    const constants = new ProgramConstants(plan)
    expect(() => constants.get('b', 'float32', [4, 2], () => weights!.initializer!.tensor.bytes)).toThrow(
      expect.objectContaining({ code: 'RUN_FAILED', received: 'b' }),
    )
  })
})

describe('the checksum', () => {
  it('does not depend on how the bytes are cut, and notices each byte', () => {
    const all = numbers(1001)
    const whole = new Checksum().update(all).value
    for (const cut of [4, 400, 996]) {
      expect(new Checksum().update(all.subarray(0, cut)).update(all.slice(cut)).value).toBe(whole)
    }
    const shifted = new Uint8Array(1002)
    shifted.set(all, 1)
    expect(new Checksum().update(shifted.subarray(1)).value).toBe(whole)
    for (let at = 0; at < all.length; at++) {
      const changed = all.slice()
      changed[at]! ^= 1
      expect(new Checksum().update(changed).value).not.toBe(whole)
    }
  })
})
