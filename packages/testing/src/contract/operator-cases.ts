import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Backend, createSession, dtypes, type Fetches, isLowlatError, type Tensor } from '@lowlat/core'
import { decode, describeModel, Initializer } from '@lowlat/onnx'
import { afterAll, describe, expect, it } from 'vitest'
import { testDataMissing, testDataPath } from '../test-data.ts'

export interface OperatorSuite {
  readonly create: () => Backend
  readonly backendOptions?: Readonly<Record<string, unknown>>
  /** Cases that this backend cannot run, by name ('test_gelu_default_1'), each with the reason. */
  readonly exclude?: Readonly<Record<string, string>>
  /** Absolute and relative error allowed in float results, as in ONNX's own runner. Default 1e-7 and 1e-3. */
  readonly absolute?: number
  readonly relative?: number
}

const archive = 'onnx_node_cases.tar.xz'

/**
 * ONNX's own single-operator cases, run by a backend: each is a model with its inputs and expected outputs. Cases whose
 * inputs or outputs are not numeric tensors (strings, sequences) are outside the contract and skipped.
 */
export function testOperatorCases(name: string, suite: OperatorSuite): void {
  const { create, backendOptions = {}, exclude = {} } = suite
  const missing = testDataMissing(archive)
  const cases = missing ? undefined : extract()
  if (typeof cases !== 'object') {
    it.skip(`the operator cases on ${name} (${missing ?? cases})`, () => {})
    return
  }
  afterAll(() => rmSync(cases.folder, { recursive: true, force: true }))

  describe(`the operator cases on ${name}`, () => {
    for (const title of cases.names) {
      const folder = join(cases.folder, title)
      const reason = exclude[title] ?? outsideContract(folder)
      it.skipIf(reason)(`${title}${reason ? ` (excluded: ${reason})` : ''}`, async () => {
        const backend = create()
        await using session = await createSession(join(folder, 'model.onnx'), {
          backend,
          backendOptions: { [backend.name]: backendOptions },
          cache: false,
          warmup: false,
        })
        for (const set of readdirSync(folder).filter((entry) => entry.startsWith('test_data_set'))) {
          const inputs = tensorsIn(join(folder, set), 'input')
          const expected = tensorsIn(join(folder, set), 'output')
          const feeds = Object.fromEntries(session.inputs.map((info, index) => [info.name, inputs[index]!]))
          const fetches = await session.run(feeds)
          compare(
            fetches,
            session.outputs.map((info) => info.name),
            expected,
            suite,
          )
        }
      })
    }

    it('has exclusions for cases that exist only', () => {
      expect(Object.keys(exclude).filter((title) => !cases.names.includes(title))).toEqual([])
    })
  })
}

function extract(): { folder: string; names: string[] } | string {
  const folder = mkdtempSync(join(tmpdir(), 'lowlat-cases-'))
  try {
    execFileSync('tar', ['-xJf', testDataPath(archive), '-C', folder], { stdio: 'pipe' })
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    return `needs tar and xz: ${error}`
  }
  const root = join(folder, readdirSync(folder)[0]!)
  return { folder: root, names: readdirSync(root).sort() }
}

function outsideContract(folder: string): string | undefined {
  try {
    describeModel(readFileSync(join(folder, 'model.onnx')))
    return undefined
  } catch (error) {
    if (isLowlatError(error, 'MODEL_UNSUPPORTED')) return error.message
    throw error
  }
}

/** input_0.pb, input_1.pb, ... in the order of their numbers. */
function tensorsIn(folder: string, kind: 'input' | 'output'): Tensor[] {
  const count = readdirSync(folder).filter((file) => file.startsWith(`${kind}_`)).length
  return Array.from({ length: count }, (_, index) => {
    const message = decode('TensorProto', readFileSync(join(folder, `${kind}_${index}.pb`)))
    return Initializer.fromMessage(message).tensor
  })
}

function compare(fetches: Fetches, names: readonly string[], expected: readonly Tensor[], suite: OperatorSuite): void {
  const { absolute = 1e-7, relative = 1e-3 } = suite
  for (const [index, want] of expected.entries()) {
    const got = fetches[names[index]!]!
    expect([got.dtype, got.shape]).toEqual([want.dtype, want.shape])
    if (dtypes[want.dtype].kind !== 'float') {
      expect(Buffer.compare(got.bytes, want.bytes)).toBe(0)
      continue
    }
    const [a, b] = [numbersOf(got), numbersOf(want)]
    const wrong = a.findIndex((value, i) => !isClose(value, b[i]!, absolute, relative))
    expect(wrong === -1 ? undefined : { at: wrong, got: a[wrong], expected: b[wrong] }).toBeUndefined()
  }
}

const numbersOf = (tensor: Tensor): Float32Array | Float64Array =>
  tensor.data instanceof Float64Array ? tensor.data : tensor.toFloat32()

function isClose(got: number, want: number, absolute: number, relative: number): boolean {
  if (Object.is(got, want) || got === want) return true
  return Math.abs(got - want) <= absolute + relative * Math.abs(want)
}
