import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { identityModel, sumModel } from '@lowlat/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createBackend } from './backend.ts'
import { filePlan } from './testing/file-plan.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lowlat-backend-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it('takes plans of this machine and this version of the library only', async () => {
  const backend = createBackend()
  const plan = await filePlan(sumModel(), folder)
  const facts = { precision: 'model', profiles: [], backendOptions: {} } as const
  expect(plan.metadata).toEqual(await backend.planKey?.(facts))
  for (const fact of ['onnxruntime', 'machine']) {
    const other = { ...plan, metadata: { ...plan.metadata, [fact]: 'other' } }
    await expect(backend.load(other, { backendOptions: {} })).rejects.toMatchObject({ code: 'PLAN_STALE' })
  }
})

it('takes its plans as files, which it maps', async () => {
  const plan = await filePlan(sumModel(), folder)
  const inMemory = { ...plan, payload: { kind: 'bytes', bytes: new Uint8Array(64) } } as const
  await expect(createBackend().load(inMemory, { backendOptions: {} })).rejects.toMatchObject({ code: 'PLAN_INVALID' })
})

it('refuses float16 inline where the platform has a Float16Array', async () => {
  const plan = await filePlan(identityModel('float16'), folder)
  const loading = createBackend().load(plan, { backendOptions: { placement: 'inline' } })
  if ('Float16Array' in globalThis) await expect(loading).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  else await (await loading)[Symbol.asyncDispose]()
})
