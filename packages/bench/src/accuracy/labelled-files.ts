import { existsSync } from 'node:fs'
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
 * calibrates, at most a hundred of them spread evenly, and all others are evaluated on.
 * @throws InputError INVALID_ARGUMENT naming what is missing or cannot be read.
 */
export async function labelledFiles(path: string): Promise<LabelledFiles> {
  const found = await stat(path).catch((cause: unknown) => {
    throw unusable(`Expected a folder or a table of labelled pictures at '${path}': ${messageOf(cause)}.`, cause)
  })
  if (found.isFile()) return fromTable(path)
  const table = join(path, TABLE)
  return existsSync(table) ? fromTable(table) : divide(await fromFolders(path), path)
}

async function fromFolders(folder: string): Promise<LabelledFile[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  if (names.length === 0) throw unusable(`Expected folders of pictures, one per class, or ${TABLE} in '${folder}'.`)
  const numbered = names.every((name) => /^\d+$/.test(name))
  const files: LabelledFile[] = []
  for (const [index, name] of names.sort().entries()) {
    const pictures = (await readdir(join(folder, name))).filter((file) => PICTURE.test(file)).sort()
    if (pictures.length === 0) throw unusable(`Expected pictures in '${join(folder, name)}', found none.`)
    const label = numbered ? Number(name) : index
    files.push(...pictures.map((file) => ({ path: join(folder, name, file), label })))
  }
  return files
}

interface TableRow extends LabelledFile {
  readonly split: string | undefined
}

async function fromTable(path: string): Promise<LabelledFiles> {
  const lines = (await readFile(path, 'utf8')).split('\n').map((line) => line.replace(/\r$/, ''))
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
  const absent = rows.find((row) => !existsSync(row.path))
  if (absent) throw unusable(`Expected the file '${absent.path}', which '${path}' lists; it does not exist.`)
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
