import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import koffi, { type LibraryHandle } from 'koffi'
import { packageFolder } from '../package-folder.ts'

interface Table {
  readonly classes: Record<string, { readonly through: string; readonly methods: Record<string, { slot: number }> }>
}

/** Calls methods of the stand-in by the tables, with nothing between: also in orders that no careful caller has. */
export class RawNvinfer {
  readonly #library: LibraryHandle
  readonly #table: Table
  readonly #version: number

  /** @param version as getInferLibVersion gives it. */
  constructor(nvinferPath: string, version: number) {
    this.#library = koffi.load(nvinferPath)
    this.#version = version
    const file = join(packageFolder, `../backend-trt/abi/trt${String(version).slice(0, 2)}.json`)
    this.#table = JSON.parse(readFileSync(file, 'utf8')) as Table
  }

  has(symbol: string): boolean {
    try {
      this.#library.func(symbol, 'void', [])
      return true
    } catch {
      return false
    }
  }

  builder(): bigint {
    return BigInt(this.#library.func('createInferBuilder_INTERNAL', 'uint64', ['uint64', 'int'])(0, this.#version))
  }

  /** A method of a class that is called through its implementation, with numbers and addresses alone. */
  call(method: string, object: bigint, ...args: (number | bigint)[]): bigint {
    return this.callSlot(this.slotOf(method), object, ...args)
  }

  slotOf(method: string): number {
    const [type = '', name = ''] = method.split('.')
    return this.#table.classes[type]!.methods[name]!.slot
  }

  callSlot(slot: number, object: bigint, ...args: (number | bigint)[]): bigint {
    const [, implementation] = words(object, 2)
    const parameters = args.map((arg) => (typeof arg === 'bigint' ? 'uint64' : 'int'))
    const prototype = koffi.proto(`uint64 (${['uint64 self', ...parameters].join(', ')})`)
    const [vtable] = words(implementation!, 1)
    return BigInt(koffi.call(words(vtable!, slot + 1)[slot]!, prototype, implementation!, ...args))
  }

  destroy(object: bigint): void {
    const [vtable] = words(object, 1)
    koffi.call(words(vtable!, 2)[1]!, koffi.proto('void (uint64 self)'), object)
  }
}

const words = (address: bigint, count: number): bigint[] =>
  Array.from(new BigUint64Array(koffi.view(address, 8 * count)))
