import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { InputError } from '@lowlat/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { evenly } from './evenly.ts'
import { labelledFiles } from './labelled-files.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lowlat-labels-test-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(...paths: string[]): void {
  for (const path of paths) {
    mkdirSync(join(folder, dirname(path)), { recursive: true })
    writeFileSync(join(folder, path), '')
  }
}

const pictures = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}/${i}.jpg`)

async function labelsOf(path = folder): Promise<Record<string, number>> {
  const { calibration, evaluation } = await labelledFiles(path)
  const all = [...calibration, ...evaluation]
  return Object.fromEntries(all.map(({ path: file, label }) => [basename(dirname(file)), label]))
}

describe('labelledFiles, from a folder per class', () => {
  it('numbers classes in the order of their names', async () => {
    write(...pictures('dog', 3), ...pictures('cat', 3))
    expect(await labelsOf()).toEqual({ cat: 0, dog: 1 })
  })

  it('takes names that are numbers as the classes', async () => {
    write(...pictures('10', 3), ...pictures('2', 3))
    expect(await labelsOf()).toEqual({ 2: 2, 10: 10 })
  })

  it('calibrates with a fifth of the pictures, of all classes, and evaluates on the others', async () => {
    write(...pictures('a', 20), ...pictures('b', 20), 'a/notes.txt', 'readme.md')
    const { calibration, evaluation } = await labelledFiles(folder)
    expect([calibration.length, evaluation.length]).toEqual([8, 32])
    expect(calibration.filter(({ label }) => label === 0)).toHaveLength(4)
    expect(new Set([...calibration, ...evaluation].map(({ path }) => path)).size).toBe(40)
  })

  it('follows links to classes and to pictures, and refuses those that lead nowhere', async () => {
    write(...pictures('set/a', 3), ...pictures('set/c', 3), ...pictures('elsewhere', 3), ...pictures('folder.jpg', 1))
    const set = join(folder, 'set')
    symlinkSync(join(folder, 'elsewhere'), join(set, 'b'))
    symlinkSync(join(folder, 'elsewhere/0.jpg'), join(set, 'c/linked.jpg'))
    symlinkSync(join(folder, 'folder.jpg'), join(set, 'c/folder.jpg'))
    expect(await labelsOf(set)).toEqual({ a: 0, b: 1, c: 2 })
    const { calibration, evaluation } = await labelledFiles(set)
    const names = [...calibration, ...evaluation].filter(({ label }) => label === 2).map(({ path }) => basename(path))
    expect(names.sort()).toEqual(['0.jpg', '1.jpg', '2.jpg', 'linked.jpg'])

    symlinkSync(join(folder, 'nowhere'), join(set, 'd'))
    await expect(labelledFiles(set)).rejects.toThrow(InputError)
    await expect(labelledFiles(set)).rejects.toThrow(/link '.*set.d' to lead somewhere.*ENOENT/)
  })

  it('calibrates with a hundred pictures at most', async () => {
    write(...pictures('a', 600))
    const { calibration, evaluation } = await labelledFiles(folder)
    expect([calibration.length, evaluation.length]).toEqual([100, 500])
  })

  it.each([
    [[], /folders of pictures, one per class/],
    [['a/x.txt'], /pictures in '.*a', found none/],
    [pictures('a', 4), /at least 5 pictures.*got 4/],
  ])('refuses %j', async (files, message) => {
    write(...files)
    await expect(labelledFiles(folder)).rejects.toThrow(InputError)
    await expect(labelledFiles(folder)).rejects.toThrow(message)
  })
})

describe('labelledFiles, from a table', () => {
  const table = (text: string) => writeFileSync(join(folder, 'labels.tsv'), text)

  it('reads classes and splits, with or without a head', async () => {
    write('a.jpg', 'sub/b.jpg')
    for (const head of ['', 'file\tclass\tsplit\n', '\uFEFF', '\uFEFFfile\tclass\tsplit\n']) {
      table(`${head}a.jpg\t7\tcalibration\r\nsub/b.jpg\t3\tevaluation\n\n`)
      expect(await labelledFiles(folder)).toMatchObject({
        calibration: [{ path: join(folder, 'a.jpg'), label: 7 }],
        evaluation: [{ path: join(folder, 'sub/b.jpg'), label: 3 }],
      })
    }
  })

  it('may be named itself, and divides where there is no split', async () => {
    write(...pictures('.', 10))
    table(Array.from({ length: 10 }, (_, i) => `${i}.jpg\t${i}`).join('\n'))
    const { calibration, evaluation } = await labelledFiles(join(folder, 'labels.tsv'))
    expect(calibration.map(({ label }) => label)).toEqual([0, 5])
    expect(evaluation).toHaveLength(8)
  })

  it.each([
    ['a.jpg\tcat', /line 1 .*'a.jpg\tcat'/],
    ['a.jpg\t1\tcalibration\na.jpg 1', /line 2/],
    ['a.jpg\t1\ttrain', /'calibration' or 'evaluation'/],
    ['a.jpg\t1\tevaluation\tmore', /line 1/],
    [`a.jpg\t1\n.\t1`, /', which '.*labels\.tsv' lists; it is no file/],
    ['a.jpg\t1\nb.jpg\t1', /b\.jpg', which '.*labels\.tsv' lists/],
    ['a.jpg\t1\na.jpg\t1\tevaluation', /a split in every line/],
    ['a.jpg\t1\tevaluation', /both splits/],
    ['', /at least 5 pictures.*got 0/],
  ])('refuses %j', async (text, message) => {
    write('a.jpg')
    table(text)
    await expect(labelledFiles(folder)).rejects.toThrow(InputError)
    await expect(labelledFiles(folder)).rejects.toThrow(message)
  })

  it('refuses what is not there', async () => {
    await expect(labelledFiles(join(folder, 'absent'))).rejects.toThrow(/folder or a table .*absent.*ENOENT/)
  })
})

describe('evenly', () => {
  it('keeps the order, and as many as it may', () => {
    expect(evenly([1, 2, 3, 4, 5, 6, 7], 3)).toEqual([1, 3, 5])
    expect(evenly([1, 2], 3)).toEqual([1, 2])
  })
})
