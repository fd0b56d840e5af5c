import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { messageOf } from '@lowlat/core'
import { type PreprocessChoice, presetNames } from './accuracy/image-options.ts'
import type { AccuracyChoice } from './accuracy/task.ts'
import { invalid, isFile } from './invalid-option.ts'
import type { ModelChoice } from './models.ts'

/** Options of the accuracy suite as they were given. */
interface Given {
  readonly model: ModelChoice | undefined
  readonly data: string | undefined
  readonly qat: string | undefined
  readonly preprocess: string | undefined
  readonly classOffset: number
  readonly mostPictures: number
  /** The accuracy suite was asked for by name. */
  readonly alone: boolean
}

/**
 * The user's model where there are pictures for it, else the reference model.
 * @throws ConfigError CONFIG_INVALID.
 */
export function accuracyFrom(given: Given): AccuracyChoice {
  const { model, data, qat, preprocess, classOffset, mostPictures, alone } = given
  if (data === undefined) {
    if (alone && model) throw invalid('--data', 'given with --model, since accuracy needs labelled pictures', 'none')
    for (const [flag, value] of Object.entries({ '--qat': qat, '--preprocess': preprocess })) {
      if (value !== undefined) throw invalid(flag, 'given with --data and --model alone', value)
    }
    if (classOffset > 0) throw invalid('--class-offset', 'given with --data and --model alone', String(classOffset))
    return { kind: 'reference', mostPictures }
  }
  if (model?.kind !== 'file') {
    throw invalid('--data', 'given with --model FILE: generated weights have no accuracy', model?.name ?? 'no model')
  }
  return {
    kind: 'files',
    model: model.path,
    qat: qat === undefined ? undefined : file('--qat', qat),
    data: existing('--data', data),
    preprocess: preprocessFrom(preprocess ?? 'imagenet'),
    classOffset,
    mostPictures,
  }
}

function file(flag: string, path: string): string {
  if (isFile(path)) return resolve(path)
  throw invalid(flag, 'a file that exists', path)
}

function existing(flag: string, path: string): string {
  if (existsSync(path)) return resolve(path)
  throw invalid(flag, 'a path that exists', path)
}

function preprocessFrom(text: string): PreprocessChoice {
  const preset = presetNames.find((name) => name === text)
  if (preset) return preset
  const expected = `one of ${presetNames.join(', ')}, or image options as a JSON object`
  let options: unknown
  try {
    options = JSON.parse(text)
  } catch (error) {
    throw invalid('--preprocess', expected, `${text}' (${messageOf(error)})'`)
  }
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return options
  throw invalid('--preprocess', expected, text)
}
