import { realpath, stat } from 'node:fs/promises'
import { join, sep, win32 } from 'node:path'
import { ModelError, messageOf } from '@lowlat/core'
import { invalidModel } from '../codec/errors.ts'

/**
 * The path of a file that a model names, which must lie in the model's folder or below: a model must not make its reader
 * open other files. Links are followed and may lead to another place of that folder only.
 * @throws ModelError MODEL_INVALID for a location that leads out, MODEL_NOT_FOUND where there is no regular file.
 */
export async function externalPath(folder: string, location: string): Promise<string> {
  // Windows' rules contain those of other systems, and the same model should be refused on all.
  const leadsOut = win32.isAbsolute(location) || /^[a-z]:/i.test(location) || location.split(/[\\/]/).includes('..')
  if (leadsOut || location === '' || location.includes('\0')) {
    throw invalidModel(`Expected external data in a file beside the model, got the location '${location}'.`, {
      location,
    })
  }
  const [root, path] = await Promise.all([realpath(folder), realpath(join(folder, location))]).catch(
    (cause: unknown) => {
      throw notFound(location, messageOf(cause), cause)
    },
  )
  if (!path.startsWith(root.endsWith(sep) ? root : root + sep)) {
    throw invalidModel(
      `Expected external data in the model's folder, but the location '${location}' is a link to '${path}'.`,
      { location },
    )
  }
  if ((await stat(path)).isFile()) return path
  throw notFound(location, 'not a regular file')
}

function notFound(location: string, reason: string, cause?: unknown): ModelError {
  return new ModelError('MODEL_NOT_FOUND', {
    message: `Cannot open the file '${location}' with the model's external data: ${reason}.`,
    remedy: 'Copy the model together with all files beside it.',
    received: location,
    details: { location },
    cause,
  })
}
