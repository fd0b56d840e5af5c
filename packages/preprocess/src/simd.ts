/**
 * The float32 normalisation as a WebAssembly SIMD function, assembled here from instructions: four pixels at a time,
 * out = f32(byte) * scale + offset. It takes a third of the time of the fastest JavaScript loop, because typed arrays
 * cost a check per access in JavaScript once any buffer of the process was detached (which worker messages do).
 * Instruction codes: WebAssembly Core Specification 2.0, section 5.4.
 */

/** What the three output vectors of four pixels are made of. */
export interface SimdPlan {
  /** For each output vector: which of the 12 bytes become its four elements. */
  readonly bytes: readonly (readonly [number, number, number, number])[]
  /** For each output vector: factor and summand of its four elements. */
  readonly factors: readonly (readonly [number, number, number, number])[]
  readonly summands: readonly (readonly [number, number, number, number])[]
}

/** Runs `groups` times four pixels from `input`; vector j of group g goes to `outputs[j] + g * stepBytes`. */
interface SimdKernel {
  readonly memory: ArrayBuffer
  run(groups: number, input: number, first: number, second: number, third: number, stepBytes: number): void
}

/** The part of the WebAssembly API that is used here; Node's types leave it to the DOM's. */
interface WebAssemblyApi {
  validate(bytes: Uint8Array): boolean
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object) => { readonly exports: { memory: { buffer: ArrayBuffer }; run: SimdKernel['run'] } }
}

/**
 * Where a caller's data may lie in the kernel's page of memory: the plan stands before, 16 bytes each of byte selection,
 * factors and summands per output vector.
 */
export const FREE_MEMORY_START = 3 * 48

const I32 = 0x7f
const V128 = 0x7b
const PARAMS = { groups: 0, input: 1, outputs: 2, step: 5 } as const
/** Locals after the six parameters: the pixels, then three vectors per output. */
const PIXELS = 6
const planLocal = (output: number, part: number) => 7 + output * 3 + part

const get = (local: number) => [0x20, local]
const set = (local: number) => [0x21, local]
const tee = (local: number) => [0x22, local]
const i32 = (value: number) => [0x41, ...signed(value)]
const i32Add = [0x6a]
const loop = [0x03, 0x40]
const end = [0x0b]
const branchIf = (depth: number) => [0x0d, depth]
const simd = (code: number) => [0xfd, ...unsigned(code)]
const v128Load = [...simd(0x00), 0, 0]
const v128Store = [...simd(0x0b), 0, 0]
const swizzle = simd(0x0e)
const f32x4Add = simd(0xe4)
const f32x4Mul = simd(0xe6)
const f32x4FromI32x4 = simd(0xfa)

function assemble(): Uint8Array<ArrayBuffer> {
  const outputs = [0, 1, 2]
  const loadPlan = outputs.flatMap((j) =>
    [0, 1, 2].flatMap((part) => [...i32(j * 48 + part * 16), ...v128Load, ...set(planLocal(j, part))]),
  )
  const advance = (local: number, by: number[]) => [...get(local), ...by, ...i32Add, ...set(local)]
  // Selecting byte 16 or above gives 0, which widens each selected byte to 32 bits.
  const writeVector = (j: number) => [
    ...get(PARAMS.outputs + j),
    ...[...get(PIXELS), ...get(planLocal(j, 0)), ...swizzle, ...f32x4FromI32x4],
    ...[...get(planLocal(j, 1)), ...f32x4Mul, ...get(planLocal(j, 2)), ...f32x4Add],
    ...v128Store,
    ...advance(PARAMS.outputs + j, get(PARAMS.step)),
  ]
  const body = [
    ...loadPlan,
    ...loop,
    ...[...get(PARAMS.input), ...v128Load, ...set(PIXELS)],
    ...outputs.flatMap(writeVector),
    ...advance(PARAMS.input, i32(12)),
    ...[...get(PARAMS.groups), ...i32(-1), ...i32Add, ...tee(PARAMS.groups), ...branchIf(0)],
    ...end,
    ...end,
  ]
  const locals = [1, 10, V128]
  const module = [
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 6, I32, I32, I32, I32, I32, I32, 0]), // one type: (i32 x 6) -> ()
    ...section(3, [1, 0]), // one function of that type
    ...section(5, [1, 1, 1, 1]), // one memory of exactly one page
    ...section(7, [2, ...name('run'), 0, 0, ...name('memory'), 2, 0]),
    ...section(10, [1, ...sized([...locals, ...body])]),
  ]
  return Uint8Array.from(module)
}

let compiled: object | null | undefined

/** A kernel with its own 64 KiB of memory that holds the plan; undefined where WebAssembly or its SIMD is missing. */
export function createSimdKernel(plan: SimdPlan): SimdKernel | undefined {
  const { WebAssembly } = globalThis as typeof globalThis & { WebAssembly?: WebAssemblyApi }
  if (!WebAssembly) return undefined
  if (compiled === undefined) {
    const bytes = assemble()
    compiled = WebAssembly.validate(bytes) ? new WebAssembly.Module(bytes) : null
  }
  if (compiled === null) return undefined
  const { memory, run } = new WebAssembly.Instance(compiled).exports
  for (let j = 0; j < 3; j++) {
    const selection = new Uint8Array(memory.buffer, j * 48, 16).fill(0xff)
    for (const [lane, byte] of plan.bytes[j]!.entries()) selection[lane * 4] = byte
    const values = new DataView(memory.buffer, j * 48 + 16, 32)
    for (const [lane, factor] of plan.factors[j]!.entries()) values.setFloat32(lane * 4, factor, true)
    for (const [lane, summand] of plan.summands[j]!.entries()) values.setFloat32(16 + lane * 4, summand, true)
  }
  return { memory: memory.buffer, run }
}

function section(id: number, content: number[]): number[] {
  return [id, ...sized(content)]
}

function sized(content: number[]): number[] {
  return [...unsigned(content.length), ...content]
}

function name(text: string): number[] {
  return sized([...Buffer.from(text)])
}

/** LEB128, 7 bits per byte, low ones first. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)]
}

/** Signed LEB128: ends where the rest is the sign. */
function signed(value: number): number[] {
  const low = value & 0x7f
  const rest = value >> 7
  const done = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)
  return done ? [low] : [low | 0x80, ...signed(rest)]
}
