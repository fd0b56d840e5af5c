import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { noDeclarations } from '../../scripts/abi-headers.mjs'
import type { Release } from '../../scripts/abi-layout.mjs'
import {
  differences,
  enumValueOf,
  slotOf,
  type Table,
  tableOf,
  tableText,
  versionNumber,
} from '../../scripts/abi-table.mjs'

/** A release with one class, whose methods stand in this order from slot 2 on, and one enum. */
function release(version: string, methods: string[], modes: Record<string, number> = { kOFF: 0 }): Release {
  const declared = { name: '', parameters: [], isConst: false, result: '', body: [] }
  return {
    version,
    directory: version,
    classes: {
      Engine: {
        through: 'impl',
        slots: methods.length + 2,
        methods: Object.fromEntries(
          methods.map((name, index) => [name, { slot: index + 2, type: 'void()', declared }]),
        ),
      },
    },
    enums: { Mode: modes },
    declarations: noDeclarations(),
    missing: [],
  }
}

const releases = [
  release('10.0.0', ['run', 'stop', 'name']),
  release('10.8.0', ['run', 'extra', 'stop', 'name', 'late']),
  release('10.8.1', ['run', 'extra', 'stop', 'name', 'late']),
  release('10.14.1', ['run', 'stop', 'name', 'late', 'extra'], { kOFF: 0, kON: 4 }),
]

describe('tableOf', () => {
  it('says since when a method is there, and where a release had one in the middle', () => {
    const table = tableOf([...releases].reverse())
    expect(table).toMatchObject({ major: 10, from: '10.0.0', to: '10.14.1' })
    expect(table.classes.Engine?.methods).toEqual({
      run: { slot: 2, type: 'void()' },
      stop: { slot: 3, type: 'void()' },
      name: { slot: 4, type: 'void()' },
      late: { slot: 5, type: 'void()', since: '10.8.0' },
      extra: { slot: 6, type: 'void()', since: '10.8.0' },
    })
    expect(table.exceptions).toEqual([
      { from: '10.8.0', to: '10.8.x', class: 'Engine', insertedAt: 3, inserted: 'extra' },
    ])
    expect(table.enums).toEqual({ Mode: { kOFF: 0, kON: { value: 4, since: '10.14.1' } } })
    for (const each of releases) expect(differences(table, each)).toEqual([])
  })

  it('answers for releases in between', () => {
    const table = tableOf(releases)
    const slots = (version: string) =>
      ['run', 'stop', 'late', 'extra'].map((name) => slotOf(table, version, 'Engine', name))
    expect(slots('10.7.5')).toEqual([2, 3, undefined, undefined])
    expect(slots('10.8.7')).toEqual([2, 4, 6, 3])
    expect(slots('10.9.0')).toEqual([2, 3, 5, 6])
    expect(enumValueOf(table, '10.14.0', 'Mode', 'kON')).toBeUndefined()
    expect(enumValueOf(table, '10.15.0', 'Mode', 'kON')).toBe(4)
  })
})

describe('differences', () => {
  const table = tableOf(releases)

  it('names release, class, method and both slots', () => {
    expect(
      differences(
        table,
        release('10.20.0', ['run', 'name', 'stop', 'late', 'extra', 'newer'], { kOFF: 1, kON: 4, kAUTO: 5 }),
      ),
    ).toEqual([
      '10.20.0: slot of Engine.stop: the table says 3, the headers say 4',
      '10.20.0: slot of Engine.name: the table says 4, the headers say 3',
      '10.20.0: slot of Engine.newer: the table says nothing, the headers say 7',
      '10.20.0: type of Engine.newer: the table says nothing, the headers say void()',
      '10.20.0: Mode.kOFF: the table says 0, the headers say 1',
      '10.20.0: Mode.kAUTO: the table says nothing, the headers say 5',
    ])
  })

  it('sees what is gone, and what passes otherwise', () => {
    const other = release('10.0.0', ['run', 'stop'])
    other.classes.Engine!.methods.run!.type = 'bool()'
    expect(differences(table, other)).toEqual([
      '10.0.0: type of Engine.run: the table says void(), the headers say bool()',
      '10.0.0: slot of Engine.name: the table says 4, the headers say nothing',
    ])
  })
})

describe('tableText', () => {
  it('is JSON of the same table', () => {
    const table = tableOf(releases)
    expect(JSON.parse(tableText(table))).toEqual(table)
    expect(tableText(table)).toContain('        "late": { "slot": 5, "type": "void()", "since": "10.8.0" },\n')
  })
})

describe.each([10, 11])('the table of TensorRT %i', (major) => {
  const text = readFileSync(new URL(`../../abi/trt${major}.json`, import.meta.url), 'utf8')
  const table: Table = JSON.parse(text)

  it('stands as the script writes it', () => {
    expect(tableText(table)).toBe(text)
    expect(table.major).toBe(major)
  })

  it('gives every slot once, in every release, without holes but for destructors', () => {
    const versions = new Set([table.from, table.to, ...table.exceptions.map(({ from }) => from)])
    for (const [name, { methods, since }] of Object.entries(table.classes)) {
      for (const { since: came } of Object.values(methods)) if (came) versions.add(came)
      for (const version of versions) {
        if (since && versionNumber(version) < versionNumber(since)) continue
        const slots = Object.keys(methods).flatMap((method) => slotOf(table, version, name, method) ?? [])
        expect(new Set(slots).size, `${version} ${name}`).toBe(slots.length)
        const holes = Array.from({ length: Math.max(...slots) }, (_, index) => index).filter(
          (slot) => !slots.includes(slot),
        )
        const { through } = table.classes[name]!
        if (through === 'callback') expect(holes, `${version} ${name}`).toEqual([])
        else if (through === 'impl') expect(holes, `${version} ${name}`).toEqual([0, 1])
        else expect(holes, `${version} ${name}`).toEqual([methods.destroy!.slot - 1])
      }
    }
  })
})

it('knows that 10.8 had addCumulative in the middle', () => {
  const table: Table = JSON.parse(readFileSync(new URL('../../abi/trt10.json', import.meta.url), 'utf8'))
  const slots = (version: string) =>
    ['addCumulative', 'getBuilder', 'addCast'].map((name) => slotOf(table, version, 'NetworkDefinition', name))
  expect(slots('10.7.0')).toEqual([undefined, 63, 62])
  expect(slots('10.8.0')).toEqual([63, 64, 62])
  expect(slots('10.9.0')).toEqual([78, 63, 62])
})
