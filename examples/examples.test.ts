import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { testDataMissing, testDataPath } from '@lowlat/testing'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const run = promisify(execFile)
const starter = fileURLToPath(new URL('run.mjs', import.meta.url))
const yolox = 'models/yolox_nano.fp32.onnx'
const mobilenet = 'models/mobilenet_v2.fp32.onnx'
const picture = 'imagenet/n01440764_tench.JPEG'
const missing = testDataMissing(yolox) ?? testDataMissing(picture)

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lowlat-examples-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const example = async (...args: string[]) =>
  (
    await run(process.execPath, [starter, ...args], {
      env: { ...process.env, LOWLAT_CACHE_DIR: join(folder, 'cache') },
    })
  ).stdout

describe('the examples run', () => {
  it('01-classify-image, with a model and a picture of its own making', async () => {
    const output = await example('01')
    expect(output.match(/^ *[\d.]+ % {2}class \d+$/gm)).toHaveLength(5)
    expect(output).toMatch(/on cpu, in [\d.]+ ms:/)
    for (const segment of ['preprocess', 'queue', 'compute', 'postprocess']) expect(output).toContain(segment)
  })

  it.skipIf(missing)(`01-classify-image, with a real model and picture${missing ? ` (${missing})` : ''}`, async () => {
    const output = await example('01', ...[mobilenet, picture, 'imagenet/class_names_1001.txt'].map(testDataPath))
    expect(output.split('\n')[0]).toMatch(/^ *[\d.]+ % {2}tench/)
  })

  it('02-swap-backend, by JSON alone', async () => {
    const output = await example('02')
    expect(output).toMatch(/^cpu\.json: runs on cpu/m)
    expect(output).toMatch(/^cpu-throughput\.json: runs on cpu/m)
    expect(output).toMatch(/mode: 'throughput'/)
    expect(output).toMatch(/^trt-only\.json: (BACKEND_\w+): .*npm install/m)
    expect(output).toMatch(/^best\.json: runs on/m)
  })

  it('03-frame-stream, showing every frame in time', async () => {
    expect(await example('03', '', '20', '10000')).toMatch(/^20 frames shown, 0 dropped/m)
  })

  it('03-frame-stream, dropping what is late and going on', async () => {
    const [, shown, dropped] = /(\d+) frames shown, (\d+) dropped/.exec(await example('03', '', '10', '0'))!
    expect([Number(shown), Number(dropped)]).toEqual([0, 10])
  })

  it.skipIf(missing)(`04-detect-objects${missing ? ` (${missing})` : ''}`, async () => {
    const zebra = testDataPath('coco/images/000000000034.jpg') // a zebra on grass: class 22
    const drawn = join(folder, 'found.png')
    const output = await example('04', testDataPath(yolox), zebra, drawn)
    expect(output).toMatch(/^class 22 \d+ % at/m)
    const [before, after] = await Promise.all([zebra, drawn].map((path) => sharp(path).removeAlpha().raw().toBuffer()))
    expect(after!.length).toBe(before!.length)
    expect(after!.equals(before!)).toBe(false)
  })

  it('04-detect-objects says what it needs', async () => {
    await expect(example('04')).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('Usage') })
  })

  it('names the examples when the name is wrong', async () => {
    await expect(example('99')).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('01-classify-image') })
  })
})
