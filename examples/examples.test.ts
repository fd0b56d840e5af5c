import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { referenceModels } from '@lowlat/bench'
import { pictureModel, testDataMissing, testDataPath } from '@lowlat/testing'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const run = promisify(execFile)
const starter = fileURLToPath(new URL('run.mjs', import.meta.url))
const yolox = 'models/yolox_nano.fp32.onnx'
const mobilenet = 'models/mobilenet_v2.fp32.onnx'
const tench = 'imagenet/n01440764_tench.JPEG'
const classNames = 'imagenet/class_names_1001.txt'
const zebra = 'coco/images/000000000034.jpg' // a zebra on grass: class 22

/** Why the first of the files that is absent makes a test impossible. */
const missing = (...files: string[]) => files.map(testDataMissing).find((reason) => reason !== undefined)
const missingFor01 = missing(mobilenet, tench, classNames)
const missingFor04 = missing(yolox, zebra)

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lowlat-examples-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** In a folder of its own: nothing may depend on where examples are started from. */
const exampleWith = async (env: Readonly<Record<string, string>>, ...args: string[]) =>
  (
    await run(process.execPath, [starter, ...args], {
      cwd: folder,
      env: { ...process.env, LOWLAT_CACHE_DIR: join(folder, 'cache'), ...env },
    })
  ).stdout
const example = (...args: string[]) => exampleWith({}, ...args)
/** On any machine. */
const withoutGpu = { LOWLAT_CUDA_DRIVER_LIB: 'libno-such-driver.so.1' }

// Each is a process that loads its sources, and the first one compiles a ResNet-50.
describe('the examples run', { timeout: 120_000 }, () => {
  it('01-classify-image, with a model and a picture of its own making', async () => {
    const output = await example('01')
    expect(output.match(/^ *[\d.]+ % {2}class \d+$/gm)).toHaveLength(5)
    expect(output).toMatch(/on cpu, in [\d.]+ ms:/)
    for (const segment of ['preprocess', 'queue', 'compute', 'postprocess']) expect(output).toContain(segment)
  })

  it.skipIf(missingFor01)(`01-classify-image, with a real one${missingFor01 ? ` (${missingFor01})` : ''}`, async () => {
    const output = await example('01', ...[mobilenet, tench, classNames].map(testDataPath))
    const [, percent, name] = /^ *([\d.]+) % {2}(.*)$/m.exec(output)!
    expect(name).toMatch(/^tench/)
    expect(Number(percent)).toBeGreaterThan(50)
  })

  it('02-swap-backend, by JSON alone', async () => {
    const output = await exampleWith(withoutGpu, '02')
    expect(output).toMatch(/^cpu\.json: runs on cpu/m)
    expect(output).toMatch(/^cpu-throughput\.json: runs on cpu/m)
    expect(output).toMatch(/mode: 'throughput'/)
    expect(output).toMatch(/^trt-only\.json: BACKEND_UNAVAILABLE: The backend 'trt' cannot run here: .*driver/m)
    expect(output).toMatch(/^best\.json: runs on cpu/m)
    expect(output).toMatch(/passed over trt: .*driver.*\n +passed over cuda: .*driver/)
  })

  it('03-frame-stream, showing every frame in time', async () => {
    expect(await example('03', '', '20', '10000')).toMatch(/^20 frames shown, 0 dropped/m)
  })

  it('03-frame-stream, dropping what is late and going on', async () => {
    const [, shown, dropped] = /(\d+) frames shown, (\d+) dropped/.exec(await example('03', '', '10', '0'))!
    expect([Number(shown), Number(dropped)]).toEqual([0, 10])
  })

  it.skipIf(missingFor04)(`04-detect-objects${missingFor04 ? ` (${missingFor04})` : ''}`, async () => {
    const output = await example('04', testDataPath(yolox), testDataPath(zebra), 'found.png')
    expect(output).toMatch(/^class 22 \d+ % at/m)
    const [before, after] = await Promise.all(
      [testDataPath(zebra), join(folder, 'found.png')].map((path) => sharp(path).removeAlpha().raw().toBuffer()),
    )
    expect(after!.length).toBe(before!.length)
    expect(after!.equals(before!)).toBe(false)
  })

  it('04-detect-objects says what it needs', async () => {
    await expect(example('04')).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('Usage') })
  })

  it('05-quantize-ptq, on the reference model', async () => {
    const output = await example('05')
    expect(output).toMatch(/^chosen: \w+; the outputs keep [\d.]+ dB/m)
    expect(output).toMatch(/^one thread: [\d.]+ ms in FP32, [\d.]+ ms in INT8/m)
    const [, float, integer] = /top-1 in FP32: ([\d.]+) %, in INT8: ([\d.]+) %/.exec(output)!
    // Two hundred pictures: a picture is half a point.
    expect(Math.abs(Number(float) - Number(integer))).toBeLessThanOrEqual(2)
  })

  it('06-qat-import, on the reference model', async () => {
    const output = await example('06')
    expect(output).toMatch(/integer layers +29 of 29/)
    expect(output).toMatch(/Expected integers that trt can represent/)
    expect(Number(/agrees with FP32 on ([\d.]+) %/.exec(output)![1])).toBeGreaterThan(92)
  })

  it('07-cuda-streams, on a GPU or, saying why, on the CPU', async () => {
    const output = await example('07', referenceModels.fp32.path)
    expect(output.match(/^ +[124] +\d+ +[\d.]+ +[\d.]+ +[\d.]+$/gm)).toHaveLength(3)
    expect(output).toMatch(/^cuda: \d+ layers|^cpu: /m)
    expect(output).toMatch(/slowest layers[\s\S]*Conv/)
  })

  it('08-tensorrt, on what is there, with the reasons', async () => {
    await writeFile(join(folder, 'small.onnx'), pictureModel())
    const output = await exampleWith(withoutGpu, '08', 'auto', 'small.onnx')
    expect(output).toMatch(
      /^The backend 'trt' cannot run here: .*driver.*\nThe backend 'cuda' cannot run here: .*driver/,
    )
    expect(output).toMatch(/^on cpu +128 px +224 px +320 px +512 px/m)
    const cosines = [...output.matchAll(/^(?:fp32|fp16|int8)(?: +[\d.]+ ms){4} +([\d.]+)$/gm)].map(([, text]) =>
      Number(text),
    )
    expect(cosines).toHaveLength(3)
    expect(Math.min(...cosines)).toBeGreaterThan(0.99)
    expect(output).toMatch(/^96 px: Shape \[1, 3, 96, 96\] .*\[1, 3, 128, 128\] to \[1, 3, 512, 512\]/m)
  })

  it('names the examples when the name is wrong', async () => {
    await expect(example('99')).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('01-classify-image') })
  })
})
