import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ModelSource } from '@lowlat/core'
import { describeModel, GraphBuilder, generateModel, onnxFromGraph, saveGraph } from '@lowlat/onnx'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readAside } from './read-in-thread.ts'

/** [1, 64] times a matrix [64, columns]: 256 bytes a column. */
function dense(columns: number): GraphBuilder {
  const g = new GraphBuilder('dense')
  const product = g.op('MatMul', [g.input('x', 'float32', [1, 64]), g.weights('w', [64, columns], 0.1)])
  g.output('y', product, 'float32', [1, columns])
  return g
}

const small = onnxFromGraph(dense(8).graph)
const large = onnxFromGraph(dense(1024).graph)
const options = { stronglyTyped: true, folder: tmpdir() }
const work = 'Reading'

describe('a model', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lowlat-trt-read-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it.each([
    ['small', small],
    ['large', large],
  ])('is the caller’s own bytes where nothing is converted: %s', async (_, bytes) => {
    const { model, description } = await readAside({ kind: 'bytes', bytes }, { ...options, precision: 'fp32' }, work)
    expect('bytes' in model && model.bytes).toBe(bytes)
    expect(description).toEqual(describeModel(bytes))
  })

  it.each([
    ['small', small],
    ['large', large],
  ])('is converted to float16, and the caller keeps its own: %s', async (_, bytes) => {
    const before = bytes.slice()
    const read = await readAside({ kind: 'bytes', bytes }, { ...options, precision: 'fp16' }, work)
    if (!('bytes' in read.model)) throw new Error('expected bytes')
    expect(describeModel(read.model.bytes).floatPrecision).toBe('float16')
    expect(bytes).toEqual(before)
  })

  it('with weights beside it is converted beside them', async () => {
    const path = join(folder, 'model.onnx')
    await saveGraph(dense(1024).graph, path, { externalData: { fileName: 'weights' } })
    const source: ModelSource = { kind: 'file', path }
    const asItIs = await readAside(source, { ...options, precision: 'fp32', folder }, work)
    expect(asItIs.model).toEqual({ path })
    expect(asItIs.dependencies).toMatchObject([{ path: join(folder, 'weights'), sizeBytes: 64 * 1024 * 4 }])
    const converted = await readAside(source, { ...options, precision: 'fp16', folder }, work)
    expect(converted.model).toEqual({ path: join(folder, 'float16.onnx') })
  })

  it('leaves the event loop free while it is converted', async () => {
    const bytes = generateModel('mobilenet_v2')
    const source: ModelSource = { kind: 'bytes', bytes }
    let turns = 0
    const counter = setInterval(() => turns++, 1)
    await readAside(source, { ...options, precision: 'fp16' }, work)
    clearInterval(counter)
    expect(turns).toBeGreaterThan(20)
  })

  it.each([
    ['what is none', { code: 'MODEL_INVALID', name: 'ModelError' }, new Uint8Array(100_000).fill(255), 'fp16'],
    ['one that is not quantized', { code: 'PRECISION_UNAVAILABLE', expected: 'int8', received: 'fp32' }, large, 'int8'],
  ] as const)('is refused with the error of the thread: %s', async (_, error, bytes, precision) => {
    const reading = readAside({ kind: 'bytes', bytes }, { ...options, precision }, work)
    await expect(reading).rejects.toMatchObject(error)
    await expect(reading).rejects.toMatchObject({ remedy: expect.stringMatching(/./), cause: expect.any(Error) })
  })

  it('that is gone is named', async () => {
    const reading = readAside(
      { kind: 'file', path: join(folder, 'none.onnx') },
      { ...options, precision: 'fp16' },
      work,
    )
    await expect(reading).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
  })

  it('is no longer read after an abort', async () => {
    const controller = new AbortController()
    const reading = readAside(
      { kind: 'bytes', bytes: large },
      { ...options, precision: 'fp16' },
      work,
      controller.signal,
    )
    setTimeout(() => controller.abort(), 20)
    await expect(reading).rejects.toMatchObject({ code: 'ABORTED', name: 'AbortError' })
    const early = readAside({ kind: 'bytes', bytes: large }, { ...options, precision: 'fp16' }, work, controller.signal)
    await expect(early).rejects.toMatchObject({ code: 'ABORTED' })
  })
})
