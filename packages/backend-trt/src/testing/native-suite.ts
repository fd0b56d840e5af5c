import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect } from 'vitest'
import type { BuildEvent, BuildRequest, BuildResult, NativeContext, NativeJob } from '../native.ts'
import { addonUntestable, NativeBench } from './native-bench.ts'

const versions = [
  { major: 10, version: undefined },
  { major: 11, version: undefined },
  { major: 10, version: '10.0.0' },
] as const

type Version = (typeof versions)[number]

/** What [batch, 4] may be in the profiles of `sumModel`. */
export const range = { min: [1, 4], opt: [2, 4], max: [4, 4] }
export const profiles = [{ a: range, b: range }]

/** Tests of the addon over the stand-in for each major, and for the oldest release. Nothing may be done wrong in any. */
export function describeAddon(what: string, tests: (suite: NativeSuite) => void): void {
  describe.skipIf(addonUntestable).each(versions)(`${what} over TensorRT $major $version`, (version) => {
    const suite = new NativeSuite(version)
    beforeAll(() => suite.open(), 900_000)
    afterEach(() => {
      expect(suite.bench.control.violations()).toEqual([])
      suite.bench.control.reset()
    })
    tests(suite)
  })
}

/** One version of the stand-in, with what its tests have in common. */
class NativeSuite {
  readonly major: Version['major']
  readonly version: Version['version']
  readonly folder = mkdtempSync(join(tmpdir(), 'lowlat-trt-native-'))
  #bench: NativeBench | undefined

  constructor({ major, version }: Version) {
    this.major = major
    this.version = version
  }

  get bench(): NativeBench {
    if (!this.#bench) throw new Error('Expected to be asked in a test, not before')
    return this.#bench
  }

  /** Returns what closes it. */
  async open(): Promise<() => void> {
    const { major, version, folder } = this
    this.#bench = await NativeBench.create({ major, ...(version && { version }) })
    return () => rmSync(folder, { recursive: true })
  }

  build(
    model: Uint8Array,
    options: Partial<BuildRequest> = {},
    onEvent: (event: BuildEvent) => void = () => {},
  ): NativeJob<BuildResult> {
    return this.bench.library.build(this.bench.request(model, options), onEvent)
  }

  /** Objects of TensorRT that are left. Plans do not count: they are freed when JavaScript collects them. */
  alive(): number {
    const { control } = this.bench
    return control.alive() - control.alive('HostMemory')
  }

  async nothingLeft(): Promise<void> {
    await expect.poll(() => this.alive()).toBe(0)
  }

  /** Runs a + b and a - b over [batch, 4]. */
  async runSum(context: NativeContext, batch: number, inThread: boolean): Promise<void> {
    const { cuda } = this.bench
    const stream = cuda.createStream()
    const names = ['a', 'b', 'sum', 'difference']
    const memory = names.map(() => cuda.allocate(4 * 4 * 4))
    for (const name of ['a', 'b']) context.setInputShape(name, [batch, 4])
    for (const [index, name] of names.entries()) context.setAddress(name, memory[index]!.address)
    expect(context.inferShapes()).toEqual([])
    expect(context.shapeOf('sum')).toEqual([batch, 4])
    const values = Float32Array.from({ length: batch * 4 }, (_, index) => index)
    for (const input of memory.slice(0, 2)) input.write(new Uint8Array(values.buffer))
    if (inThread) await context.enqueueInThread(stream.handle)
    else context.enqueue(stream.handle)
    stream.synchronize()
    const sum = new Float32Array(memory[2]!.read(0, batch * 16).slice().buffer)
    expect(sum).toEqual(values.map((value) => 2 * value))
    for (const part of memory) part.dispose()
    stream.dispose()
  }
}
