/**
 * Layout of the one struct that each kernel takes by value. The same fields in the same order stand in the kernel's .cu file;
 * a test compares the two. Fields are aligned to their size, as C aligns them.
 */
export type FieldType = 'pointer' | 'int32' | 'uint32' | 'float32' | 'int64'

/** A field, or a fixed array of them. */
export type Field = FieldType | readonly [type: FieldType, count: number]

export type StructFields = Readonly<Record<string, Field>>

export interface FieldPlace {
  readonly name: string
  readonly type: FieldType
  readonly count: number
  readonly offsetBytes: number
}

export interface StructLayout {
  readonly fields: readonly FieldPlace[]
  readonly names: ReadonlySet<string>
  readonly sizeBytes: number
}

const sizes: Readonly<Record<FieldType, number>> = { pointer: 8, int32: 4, uint32: 4, float32: 4, int64: 8 }

export function structLayout(fields: StructFields): StructLayout {
  let offset = 0
  let largest = 1
  const places = Object.entries(fields).map(([name, field]): FieldPlace => {
    const [type, count] = typeof field === 'string' ? ([field, 1] as const) : field
    const size = sizes[type]
    largest = Math.max(largest, size)
    const offsetBytes = alignUp(offset, size)
    offset = offsetBytes + size * count
    return { name, type, count, offsetBytes }
  })
  return { fields: places, names: new Set(Object.keys(fields)), sizeBytes: alignUp(offset, largest) }
}

export const alignUp = (value: number, alignment: number): number => Math.ceil(value / alignment) * alignment
