import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { TimingCacheFile } from './timing-cache.ts'

const folder = mkdtempSync(join(tmpdir(), 'lowlat-timing-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const facts = { tensorRt: '10.13.2', device: 'NVIDIA A10/24', computeCapability: 86 }

it('keeps measured times by version and GPU', async () => {
  const file = new TimingCacheFile(facts, folder)
  expect(await file.read()).toBeUndefined()
  expect(await file.write(Uint8Array.of(1, 2, 3))).toBe(true)
  expect(await file.write(Uint8Array.of(4, 5))).toBe(true)
  expect([...(await new TimingCacheFile(facts, folder).read())!]).toEqual([4, 5])
  expect(await new TimingCacheFile({ ...facts, tensorRt: '10.13.3' }, folder).read()).toBeUndefined()
  expect(readdirSync(folder)).toEqual(['10.13.2_NVIDIA-A10-24_sm86.timing'])
})

it('takes a damaged file for none', async () => {
  const file = new TimingCacheFile(facts, folder)
  await file.write(Uint8Array.of(1, 2, 3))
  const bytes = readFileSync(file.path)
  for (const damaged of [bytes.subarray(0, 10), bytes.subarray(0, -1), Buffer.from(bytes).fill(0, 34)]) {
    writeFileSync(file.path, damaged)
    expect(await file.read()).toBeUndefined()
  }
})

it('is no reason to fail where it cannot be written', async () => {
  const path = join(folder, 'a-file')
  writeFileSync(path, '')
  chmodSync(path, 0o444)
  expect(await new TimingCacheFile(facts, join(path, 'below')).write(new Uint8Array(1))).toBe(false)
})
