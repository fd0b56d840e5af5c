import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { FieldPlace, FieldType } from '../program/struct.ts'
import { layouts } from './layouts.ts'

const folder = fileURLToPath(new URL('../../kernels/', import.meta.url))
const sources = readdirSync(folder)
  .filter((name) => name.endsWith('.cu') || name.endsWith('.cuh'))
  .map((name) => readFileSync(folder + name, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, ''))

const types: Readonly<Record<string, { type: FieldType; bytes: number }>> = {
  int32_t: { type: 'int32', bytes: 4 },
  uint32_t: { type: 'uint32', bytes: 4 },
  float: { type: 'float32', bytes: 4 },
  int64_t: { type: 'int64', bytes: 8 },
}

/** Macros that stand for fields of a struct. */
const macros = new Map(
  sources.flatMap((source) =>
    [...source.matchAll(/^#define (\w+_FIELDS)(?:\((\w+)\))?((?:.*\\\n)*.*)$/gm)].map(
      ([, name, parameter, body]) => [name!, { parameter, body: body!.replaceAll('\\\n', '') }] as const,
    ),
  ),
)

/** The fields of a struct with those that macros stand for written out. */
function expand(fields: string): string {
  return fields.replace(/(\w+_FIELDS)(?:\((\w+)\))?/g, (_, name: string, argument = '') => {
    const macro = macros.get(name)
    if (!macro) throw new Error(`no macro ${name}`)
    const { parameter, body } = macro
    const own = parameter ? body.replace(new RegExp(`\\b${parameter}\\b`, 'g'), argument).replaceAll('##', '') : body
    return expand(own)
  })
}

/** Fields of a struct in C++, placed as the ABI of x86-64 and of NVIDIA's GPUs does. */
function parseFields(body: string): FieldPlace[] {
  let end = 0
  return expand(body)
    .split(';')
    .map((line) => line.trim())
    .filter(Boolean)
    .map((line) => {
      const [, type, star, name, size = '1'] = /^(?:const )?(\w+)(\*)? (\w+)(?:\[([\d *]+)\])?$/.exec(line) ?? []
      const known = star ? { type: 'pointer' as const, bytes: 8 } : types[type ?? '']
      if (!known || !name) throw new Error(`a field that no layout has: '${line}'`)
      const count = size.split('*').reduce((product, factor) => product * Number(factor), 1)
      const offsetBytes = Math.ceil(end / known.bytes) * known.bytes
      end = offsetBytes + known.bytes * count
      return { name, type: known.type, count, offsetBytes }
    })
}

const structs = new Map(
  sources.flatMap((source) =>
    [...source.matchAll(/struct (\w+Params) \{([^}]*)\};/g)].map(
      ([, name, body]) => [name!, parseFields(body!)] as const,
    ),
  ),
)

describe('layouts of parameters', () => {
  test('there is one for every struct that kernels take, and no other', () => {
    const taken = sources.flatMap((source) =>
      [...source.matchAll(/^\s*KERNEL\w*\([\w#]+, (\w+)/gm)].map(([, name]) => name!),
    )
    expect(taken.length).toBeGreaterThan(30)
    expect(Object.keys(layouts).sort()).toEqual([...new Set(taken)].filter((name) => name !== 'Params').sort())
    expect(Object.keys(layouts).filter((name) => !structs.has(name))).toEqual([])
  })

  test.each(Object.entries(layouts))('%s is as in C++', (name, { fields, sizeBytes }) => {
    const parsed = structs.get(name)!
    expect(fields).toEqual(parsed)
    const { offsetBytes, count, type } = parsed.at(-1)!
    const end = offsetBytes + count * (type === 'pointer' || type === 'int64' ? 8 : 4)
    const alignment = parsed.some((field) => field.type === 'pointer' || field.type === 'int64') ? 8 : 4
    expect(sizeBytes).toBe(Math.ceil(end / alignment) * alignment)
    // What every device takes as parameters of a kernel.
    expect(sizeBytes).toBeLessThanOrEqual(4096)
  })
})
