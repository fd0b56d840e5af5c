import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Tensor } from '@lowlat/core'
import { denseModel } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { compileInProcess } from './compile.ts'
import { compileOptions } from './options.ts'

let folder: string
let model: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lowlat-compile-'))
  model = join(folder, 'model.onnx')
  await writeFile(model, denseModel(Tensor.zeros('float32', [4, 2])))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const compile = (path: string, signal?: AbortSignal) =>
  compileInProcess(path, compileOptions(join(folder, 'optimized.onnx')), signal)

describe('compiling in a process of its own', () => {
  it('describes the model', async () => {
    const { inputs, outputs } = await compile(model)
    expect([inputs.map(({ name }) => name), outputs.map(({ name }) => name)]).toEqual([['x'], ['y']])
  })

  it('reports what the library says as a typed error', async () => {
    await writeFile(join(folder, 'broken.onnx'), 'not a model')
    await expect(compile(join(folder, 'broken.onnx'))).rejects.toMatchObject({ code: 'MODEL_INVALID' })
  })

  it('reports a process that dies, with its last words', async () => {
    vi.stubEnv('NODE_OPTIONS', '--no-such-option')
    try {
      await expect(compile(model)).rejects.toMatchObject({
        code: 'WORKER_DIED',
        details: { how: 'exit code 9' },
        message: expect.stringContaining('--no-such-option'),
      })
    } finally {
      vi.unstubAllEnvs()
    }
  })

  it('ends when it is aborted, before or meanwhile', async () => {
    await expect(compile(model, AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' })
    const controller = new AbortController()
    const compiling = compile(model, controller.signal)
    controller.abort('changed my mind')
    await expect(compiling).rejects.toMatchObject({ code: 'ABORTED', cause: 'changed my mind' })
  })
})
