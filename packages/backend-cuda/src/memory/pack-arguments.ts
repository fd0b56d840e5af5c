import type { Launch, Pointer } from '../program/launch.ts'
import type { FieldType } from '../program/struct.ts'
import type { DeviceBuffer } from '../program/view.ts'

type Value = number | Pointer | undefined

/**
 * The bytes of a kernel's parameter struct.
 * @param addressOf where a buffer is on the device.
 * @throws Error for arguments that the struct has no field for, or too many for an array: a mistake of the lowering.
 */
export function packArguments(launch: Launch, addressOf: (buffer: DeviceBuffer) => number): Uint8Array {
  const { kernel, layout } = launch
  const bytes = new Uint8Array(layout.sizeBytes)
  const view = new DataView(bytes.buffer)
  for (const name of Object.keys(launch.arguments)) {
    if (!layout.names.has(name)) throw new Error(`the kernel '${kernel}' has no parameter '${name}'`)
  }
  for (const { name, type, count, offsetBytes } of layout.fields) {
    const argument = launch.arguments[name]
    if (argument === undefined) continue
    const values: readonly Value[] = Array.isArray(argument) ? argument : [argument as Value]
    if (values.length > count) {
      throw new Error(`the parameter '${name}' of the kernel '${kernel}' has ${count} elements, got ${values.length}`)
    }
    const size = sizes[type]
    for (const [index, value] of values.entries()) {
      if (value === undefined) continue
      if (typeof value === 'object' ? type !== 'pointer' : type === 'pointer') {
        throw new Error(`the parameter '${name}' of the kernel '${kernel}' is a ${type}, got a ${typeof value}`)
      }
      const number = typeof value === 'object' ? addressOf(value.buffer) + value.offsetBytes : value
      if (!fits[type](number)) throw new Error(`the parameter '${name}' of the kernel '${kernel}' cannot be ${number}`)
      writers[type](view, offsetBytes + index * size, number)
    }
  }
  return bytes
}

const sizes: Readonly<Record<FieldType, number>> = { pointer: 8, int32: 4, uint32: 4, float32: 4, int64: 8 }

const writers: Readonly<Record<FieldType, (view: DataView, at: number, value: number) => void>> = {
  pointer: (view, at, value) => view.setBigUint64(at, BigInt(value), true),
  int32: (view, at, value) => view.setInt32(at, value, true),
  uint32: (view, at, value) => view.setUint32(at, value, true),
  float32: (view, at, value) => view.setFloat32(at, value, true),
  int64: (view, at, value) => view.setBigInt64(at, BigInt(value), true),
}

const integerBelow = (min: number, max: number) => (value: number) =>
  Number.isInteger(value) && value >= min && value <= max

const fits: Readonly<Record<FieldType, (value: number) => boolean>> = {
  pointer: integerBelow(0, Number.MAX_SAFE_INTEGER),
  int32: integerBelow(-(2 ** 31), 2 ** 31 - 1),
  uint32: integerBelow(0, 2 ** 32 - 1),
  float32: () => true,
  int64: integerBelow(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
}
