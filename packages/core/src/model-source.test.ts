import { describe, expect, it } from 'vitest'
import { sha256Of, stampOf } from './model-source.ts'

describe('the stamp of a file', () => {
  it.each([null, undefined, 5, Symbol('path')])('is not that of %o', async (path) => {
    await expect(stampOf(path as never)).rejects.toThrow(
      expect.objectContaining({ name: 'InputError', code: 'INVALID_ARGUMENT', received: path }),
    )
  })

  it.each(['', 'no/such/file', 'zero\0byte', '.'])("is refused where there is no file: '%s'", async (path) => {
    await expect(stampOf(path)).rejects.toThrow(expect.objectContaining({ code: 'MODEL_NOT_FOUND', received: path }))
  })
})

describe('the hash of a model', () => {
  it.each([null, 'model.onnx', {}, { kind: 'file', path: Symbol('path') }, { kind: 'bytes', bytes: null }])(
    'is not that of %o',
    async (source) => {
      await expect(sha256Of(source as never)).rejects.toThrow(
        expect.objectContaining({ name: 'InputError', code: 'INVALID_ARGUMENT', received: source }),
      )
    },
  )
})
