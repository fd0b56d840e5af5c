import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { en } from 'zod/locales'
import * as z from 'zod/mini'
import type { BackendInput } from './backends.ts'
import type { Backend, OptimizationProfile, Precision } from './contract.ts'
import { ConfigError, messageOf } from './errors.ts'
import { pathFrom } from './model-source.ts'

export interface CacheOptions {
  /** Folder of the cache; default: the knob LOWLAT_CACHE_DIR, else the user's cache folder. */
  readonly folder?: string | undefined
  /** Size beyond which the least recently used plans are removed. */
  readonly maxBytes?: number | undefined
}

export interface SessionOptions {
  /** 'auto' (default), a name, a Backend value, or a list in order of preference. */
  readonly backend?: BackendInput | readonly BackendInput[] | undefined
  /** 'model' (default) runs what the file says. Others ask for it and fail where the backend cannot give it. */
  readonly precision?: Precision | undefined
  /** Shapes to prepare for and to allow; without any, every shape that the model allows runs. */
  readonly profiles?: readonly OptimizationProfile[] | undefined
  /** Requests that run at the same time; default: as many as the engine prefers. */
  readonly contexts?: number | undefined
  /** Requests that may wait for a context; more are rejected at once. Default 1024. */
  readonly maxQueue?: number | undefined
  /** Run every profile once at load, so that no request pays for a first run. Default true. */
  readonly warmup?: boolean | undefined
  /** Keep compiled plans on disk. Default true. */
  readonly cache?: boolean | CacheOptions | undefined
  /** Options of single backends, by the backend's name. */
  readonly backendOptions?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined
  readonly signal?: AbortSignal | undefined
}

// zod's small variant, since all of it takes longer to load than a model; its messages are to be asked for.
z.config(en())

const backendValue = z.custom<Backend>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'expected a Backend',
)
const backendSchema = z.union([z.string(), backendValue], 'expected a backend name or a Backend value')
const shapeSchema = z.array(z.int().check(z.minimum(0)))

const fields = {
  backend: z.union(
    [backendSchema, z.array(backendSchema).check(z.minLength(1))],
    'expected a backend or a list of backends',
  ),
  precision: z.enum(['model', 'fp32', 'fp16', 'int8']),
  profiles: z.array(z.record(z.string(), z.strictObject({ min: shapeSchema, opt: shapeSchema, max: shapeSchema }))),
  contexts: z.int().check(z.minimum(1), z.maximum(1024)),
  maxQueue: z.int().check(z.minimum(0)),
  warmup: z.boolean(),
  cache: z.union(
    [
      z.boolean(),
      z.strictObject({
        folder: z.optional(z.string().check(z.minLength(1))),
        maxBytes: z.optional(z.int().check(z.minimum(0))),
      }),
    ],
    'expected true, false or { folder, maxBytes }',
  ),
  backendOptions: z.record(z.string(), z.record(z.string(), z.unknown())),
}

const optionsSchema = z.partial(z.strictObject({ ...fields, signal: z.instanceof(AbortSignal) }))

const namesSchema = z.union(
  [z.string(), z.array(z.string()).check(z.minLength(1))],
  'expected a backend name or a list of names',
)
const fileSchema = z.extend(z.partial(z.strictObject({ ...fields, backend: namesSchema })), {
  $schema: z.optional(z.string()),
  model: z.string().check(z.minLength(1)),
})

/** @throws ConfigError CONFIG_INVALID naming every option that does not validate. */
export function parseSessionOptions(options: unknown): SessionOptions {
  return parse(optionsSchema, options ?? {}, 'the session options')
}

/**
 * A session's model and options from a JSON file. Relative paths (model, cache folder) start at the file's folder.
 * @throws ConfigError CONFIG_UNREADABLE or CONFIG_INVALID; InputError INVALID_ARGUMENT when `file` is no local file.
 */
export async function readSessionFile(file: string | URL): Promise<{ model: string; options: SessionOptions }> {
  const path = pathFrom(file)
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw unreadable(path, messageOf(cause), cause)
  })
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (cause) {
    throw unreadable(path, `it is not JSON (${messageOf(cause)})`, cause)
  }
  const { model, $schema: _, ...options } = parse(fileSchema, content, `'${path}'`)
  const fromFile = (relative: string) => resolve(dirname(path), relative)
  const { cache } = options
  if (typeof cache !== 'object' || cache.folder === undefined) return { model: fromFile(model), options }
  return { model: fromFile(model), options: { ...options, cache: { ...cache, folder: fromFile(cache.folder) } } }
}

function parse<T>(schema: z.ZodMiniType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const problems = result.error.issues.map((issue) => {
    const path = issue.path.join('.')
    return path ? `${path}: ${issue.message}` : issue.message
  })
  throw new ConfigError('CONFIG_INVALID', {
    message: `Cannot use ${what}: ${problems.join('; ')}.`,
    remedy: `Known options: ${Object.keys(fields).join(', ')}.`,
    received: value,
    details: { problems },
  })
}

function unreadable(path: string, reason: string, cause: unknown): ConfigError {
  return new ConfigError('CONFIG_UNREADABLE', {
    message: `Cannot read the configuration '${path}': ${reason}.`,
    remedy: 'Check the path and that the file holds one JSON object.',
    received: path,
    cause,
  })
}
