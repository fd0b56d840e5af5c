import { existsSync, type Stats } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { InputError, messageOf } from '@lowlat/core'
import { evenly } from './evenly.ts'

export interface LabelledFile {
  readonly path: string
  /** Class, as the position of its score in the model's output. */
  readonly label: number
}

interface LabelledFiles {
  readonly calibration: readonly LabelledFile[]
  readonly evaluation: readonly LabelledFile[]
}

const TABLE = 'labels.tsv'
const PICTURE = /\.(jpe?g|png|webp|avif|gif|tiff?)$/i
/** Without a split, one picture of so many calibrates. */
const CALIBRATION_SHARE = 5
const MOST_CALIBRATION = 100

/**
 * Pictures with their classes: a folder with a folder per class (numbered in the order of their names, or by their names
 * where all of these are numbers), or a table of lines `file<TAB>class[<TAB>split]`, named itself or as `labels.tsv` of
 * its folder, with files relative to it and splits `calibration` and `evaluation`. Without splits every fifth picture
 * calibrates, at most a hundred of them spread evenly, and all others are evaluated on. Symbolic links are followed.
 * @throws InputError INVALID_ARGUMENT naming what is missing or cannot be read.
 */
export async function labelledFiles(path: string): Promise<LabelledFiles> {
  const found = await statOf(path, `Expected a folder or a table of labelled pictures at '${path}'`)
  if (found.isFile()) return fromTable(path)
  const table = join(path, TABLE)
  return existsSync(table) ? fromTable(table) : divide(await fromFolders(path), path)
}

async function fromFolders(folder: string): Promise<LabelledFile[]> {
  const names = await namesIn(folder, (entry) => entry.isDirectory())
  if (names.length === 0) throw unusable(`Expected folders of pictures, one per class, or ${TABLE} in '${folder}'.`)
  const numbered = names.every((name) => /^\d+$/.test(name))
  const files: LabelledFile[] = []
  for (const [index, name] of names.entries()) {
    const entries = await namesIn(join(folder, name), (entry) => entry.isFile())
    const pictures = entries.filter((file) => PICTURE.test(file))
    if (pictures.length === 0) throw unusable(`Expected pictures in '${join(folder, name)}', found none.`)
    const label = numbered ? Number(name) : index
    files.push(...pictures.map((file) => ({ path: join(folder, name, file), label })))
  }
  return files
}

/** Sorted. A link is what it leads to; one that leads nowhere is refused, since a class may be missing. */
async function namesIn(folder: string, isWanted: (entry: Pick<Stats, 'isFile' | 'isDirectory'>) => boolean) {
  const names: string[] = []
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    const target = entry.isSymbolicLink() ? await statOf(path, `Expected the link '${path}' to lead somewhere`) : entry
    if (isWanted(target)) names.push(entry.name)
  }
  return names.sort()
}

function statOf(path: string, expectation: string): Promise<Stats> {
  return stat(path).catch((cause: unknown) => {
    throw unusable(`${expectation}: ${messageOf(cause)}.`, cause)
  })
}

interface TableRow extends LabelledFile {
  readonly split: string | undefined
}

async function fromTable(path: string): Promise<LabelledFiles> {
  // Spreadsheets begin UTF-8 with a byte order mark.
  const text = (await readFile(path, 'utf8')).replace(/^\uFEFF/, '')
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''))
  const rows = lines.flatMap((line, index): TableRow[] => {
    if (line.trim() === '' || (index === 0 && /^file\tclass(\tsplit)?$/.test(line))) return []
    const [file, label, split, ...rest] = line.split('\t')
    const valid =
      file && /^\d+$/.test(label ?? '') && rest.length === 0 && /^(calibration|evaluation)$/.test(split ?? 'evaluation')
    if (!valid) {
      throw unusable(
        `Expected file, class (a number) and perhaps 'calibration' or 'evaluation', separated by tabs, in line ${index + 1} of '${path}', got '${line}'.`,
      )
    }
    return [{ path: resolve(dirname(path), file), label: Number(label), split }]
  })
  for (const row of rows) {
    const expectation = `Expected the file '${row.path}', which '${path}' lists`
    if (!(await statOf(row.path, expectation)).isFile()) throw unusable(`${expectation}; it is no file.`)
  }
  const undivided = rows.filter(({ split }) => split === undefined)
  if (undivided.length === rows.length) return divide(rows, path)
  if (undivided.length > 0) throw unusable(`Expected a split in every line of '${path}' or in none.`)
  const of = (name: string) => rows.filter(({ split }) => split === name)
  const [calibration, evaluation] = [of('calibration'), of('evaluation')]
  if (calibration.length > 0 && evaluation.length > 0) {
    return { calibration: evenly(calibration, MOST_CALIBRATION), evaluation }
  }
  throw unusable(`Expected pictures of both splits, calibration and evaluation, in '${path}'.`)
}

function divide(files: readonly LabelledFile[], path: string): LabelledFiles {
  const most = Math.min(MOST_CALIBRATION, Math.floor(files.length / CALIBRATION_SHARE))
  if (most === 0) {
    throw unusable(
      `Expected at least ${CALIBRATION_SHARE} pictures to calibrate with and to evaluate on, got ${files.length} in '${path}'.`,
    )
  }
  const calibration = evenly(files, most)
  const taken = new Set(calibration)
  return { calibration, evaluation: files.filter((file) => !taken.has(file)) }
}

function unusable(message: string, cause?: unknown): InputError {
  return new InputError('INVALID_ARGUMENT', {
    message,
    remedy: `Pass a folder with a folder of pictures per class, or with ${TABLE}: file<TAB>class[<TAB>split].`,
    cause,
  })
}
