import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Backend } from './contract.ts'
import { BackendError, describeValue, messageOf } from './errors.ts'

/** Backends that lowlat ships, fastest first: the order in which 'auto' asks them. */
export const knownBackends = ['trt', 'cuda', 'cpu'] as const

/** A backend by name ('cpu' is the package `@lowlat/backend-cpu`), or a value that implements the contract. */
export type BackendInput = string | Backend

/**
 * The backend of that name, from the package `@lowlat/backend-NAME`.
 * @throws BackendError BACKEND_UNKNOWN, BACKEND_NOT_INSTALLED, or BACKEND_UNAVAILABLE when the package does not load.
 */
export async function resolveBackend(input: BackendInput): Promise<Backend> {
  if (typeof input !== 'string') return checkBackend(input, 'the backend value')
  const known = (knownBackends as readonly string[]).includes(input)
  if (!/^[a-z][a-z0-9-]*$/.test(input)) throw unknownBackend(input)
  const specifier = `@lowlat/backend-${input}`
  let module: { createBackend?: () => Backend }
  try {
    module = await importFromHereOrApplication(specifier)
  } catch (cause) {
    if (!isNotFound(cause, specifier)) {
      throw new BackendError('BACKEND_UNAVAILABLE', {
        message: `The package ${specifier} does not load: ${messageOf(cause)}.`,
        remedy: `Install it again: npm install ${specifier}`,
        details: { backend: input },
        cause,
      })
    }
    if (!known) throw unknownBackend(input)
    throw new BackendError('BACKEND_NOT_INSTALLED', {
      message: `The backend '${input}' is not installed.`,
      remedy: `Run: npm install ${specifier}`,
      details: { backend: input },
      cause,
    })
  }
  return checkBackend(module.createBackend?.(), specifier)
}

/** Under strict layouts (pnpm) the application can see backends that this package cannot. */
async function importFromHereOrApplication(specifier: string): Promise<{ createBackend?: () => Backend }> {
  try {
    return await import(specifier)
  } catch (error) {
    if (!isNotFound(error, specifier)) throw error
    const application = createRequire(join(process.cwd(), 'package.json'))
    return await import(pathToFileURL(application.resolve(specifier)).href)
  }
}

/** Quoted: a package that lacks one of its own dependencies is named too, as the importer. */
function isNotFound(error: unknown, specifier: string): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') && messageOf(error).includes(`'${specifier}'`)
}

function checkBackend(value: unknown, source: string): Backend {
  const backend = value as Partial<Backend> | null | undefined
  const complete =
    typeof backend?.name === 'string' &&
    typeof backend.probe === 'function' &&
    typeof backend.compile === 'function' &&
    typeof backend.load === 'function'
  if (complete) return backend as Backend
  throw new BackendError('BACKEND_UNKNOWN', {
    message: `Expected ${source} to be a Backend with name, probe, compile and load, got ${describeValue(value)}.`,
    remedy: `Pass a name (${knownBackends.join(', ')}), 'auto', or a value that implements Backend; a backend package exports createBackend().`,
    received: value,
  })
}

function unknownBackend(name: string): BackendError {
  return new BackendError('BACKEND_UNKNOWN', {
    message: `Expected a backend among ${knownBackends.map((known) => `'${known}'`).join(', ')} or 'auto', got '${name}'.`,
    remedy: `Correct the name, or install a package named @lowlat/backend-${name}.`,
    expected: [...knownBackends, 'auto'],
    received: name,
  })
}
