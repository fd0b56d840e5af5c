import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { en } from 'zod/locales'
import * as z from 'zod/mini'
import type { BackendInput } from './backends.ts'
import type { Backend, Feeds, OptimizationProfile, Precision } from './contract.ts'
import { ConfigError, messageOf } from './errors.ts'
import { pathFrom } from './model-source.ts'
import { nearMatch } from './near-match.ts'
import { checkRanges } from './profiles.ts'

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
  /**
   * Run the model at load, so that no request pays for a first run: on zeros of every profile's `opt` and `max` (true,
   * the default), or on these feeds, for models that refuse zeros.
   */
  readonly warmup?: boolean | readonly Feeds[] | undefined
  /** Keep compiled plans on disk. Default true. */
  readonly cache?: boolean | CacheOptions | undefined
  /** Options of single backends, by the backend's name. */
  readonly backendOptions?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined
  readonly signal?: AbortSignal | undefined
}

// zod's small variant, since all of it takes longer to load than a model; its messages are to be asked for.
z.config(en())

const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value)
const backendValue = z.custom<Backend>(isObject, 'expected a Backend')
const backendSchema = z.union([z.string(), backendValue], 'expected a backend name or a Backend value')
const shapeSchema = z.array(z.int().check(z.minimum(0)))
const feedsSchema = z.custom<Feeds>(isObject, 'expected an object of tensors by input name')
const pathSchema = z.string().check(
  z.minLength(1, 'expected a path, got an empty string'),
  z.refine((path) => !path.includes('\0'), 'expected a path, got one with a NUL character'),
)

const rangeFields = { min: shapeSchema, opt: shapeSchema, max: shapeSchema }
const cacheFields = { folder: z.optional(pathSchema), maxBytes: z.optional(z.int().check(z.minimum(0))) }
const fields = {
  backend: z.union(
    [backendSchema, z.array(backendSchema).check(z.minLength(1))],
    'expected a backend or a list of backends',
  ),
  precision: z.enum(['model', 'fp32', 'fp16', 'int8']),
  profiles: z.array(z.record(z.string(), z.strictObject(rangeFields))),
  contexts: z.int().check(z.minimum(1), z.maximum(1024)),
  maxQueue: z.int().check(z.minimum(0)),
  warmup: z.union([z.boolean(), z.array(feedsSchema).check(z.minLength(1))], 'expected true, false or a list of feeds'),
  cache: z.union([z.boolean(), z.strictObject(cacheFields)], 'expected true, false or { folder, maxBytes }'),
  backendOptions: z.record(z.string(), z.record(z.string(), z.unknown())),
}

const optionsSchema = z.partial(z.strictObject({ ...fields, signal: z.instanceof(AbortSignal) }))

const namesSchema = z.union(
  [z.string(), z.array(z.string()).check(z.minLength(1))],
  'expected a backend name or a list of names',
)
const fileSchema = z.extend(z.partial(z.strictObject({ ...fields, backend: namesSchema, warmup: z.boolean() })), {
  $schema: z.optional(z.string()),
  model: pathSchema,
})

/** @throws ConfigError CONFIG_INVALID naming every option that does not validate; PROFILE_INVALID. */
export function parseSessionOptions(options: unknown): SessionOptions {
  const settings = parse(optionsSchema, options, 'the session options')
  checkRanges(settings.profiles ?? [])
  return settings
}

/** A configuration is written by hand; what is larger is another file. */
const MAX_FILE_BYTES = 4 * 2 ** 20

/**
 * A session's model and options from a JSON file. Relative paths (model, cache folder) start at the file's folder.
 * @throws ConfigError CONFIG_UNREADABLE or CONFIG_INVALID; InputError INVALID_ARGUMENT when `file` is no local file.
 */
export async function readSessionFile(file: string | URL): Promise<{ model: string; options: SessionOptions }> {
  const path = pathFrom(file)
  const text = await readText(path)
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (cause) {
    throw unreadable(path, `it is not JSON (${messageOf(cause)})`, cause)
  }
  const { model, $schema: _, ...options } = parse(fileSchema, content, `'${path}'`)
  const fromFile = (relative: string) => pathFrom(relative, dirname(path))
  const { cache } = options
  if (typeof cache !== 'object' || cache.folder === undefined) return { model: fromFile(model), options }
  return { model: fromFile(model), options: { ...options, cache: { ...cache, folder: fromFile(cache.folder) } } }
}

/** The text of a regular file of sensible size: pipes and devices may give nothing, or never end. */
async function readText(path: string): Promise<string> {
  const orUnreadable = (cause: unknown) => {
    throw unreadable(path, messageOf(cause), cause)
  }
  const found = await stat(path).catch(orUnreadable)
  if (!found.isFile() || found.size > MAX_FILE_BYTES) {
    throw new ConfigError('CONFIG_INVALID', {
      message: `Expected a configuration of at most ${MAX_FILE_BYTES} bytes in '${path}', got ${found.isFile() ? `${found.size} bytes` : 'something that is no regular file'}.`,
      remedy: 'Check the path: it should name a JSON file.',
      received: path,
    })
  }
  const text = await readFile(path, 'utf8').catch(orUnreadable)
  return text.replace(/^\uFEFF/, '') // editors on Windows write a byte order mark
}

type Issue = z.core.$ZodIssue
interface Schema<T> extends z.ZodMiniType<T> {
  readonly shape: object
}

function parse<T>(schema: Schema<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const known = Object.keys(schema.shape)
  const problems = result.error.issues.flatMap((issue) => problemsOf(issue, [], known))
  throw new ConfigError('CONFIG_INVALID', {
    message: `Cannot use ${what}: ${problems.join('; ')}.`,
    remedy: `Known options: ${known.join(', ')}.`,
    received: value,
    details: { problems },
  })
}

/** What is wrong, in words; `path` leads to what the issue is about. */
function problemsOf(issue: Issue, path: readonly PropertyKey[], options: readonly string[]): string[] {
  const place = [...path, ...issue.path]
  if (issue.code === 'invalid_union') {
    // The alternative that the value was meant for: it has the right type, and is wrong in its parts only.
    const isPart = (inner: Issue) => inner.path.length > 0 || inner.code === 'unrecognized_keys'
    const meant = issue.errors.find((inner) => inner.length > 0 && inner.every(isPart))
    if (meant) return meant.flatMap((inner) => problemsOf(inner, place, options))
  }
  const where = place.map(String).join('.')
  if (issue.code !== 'unrecognized_keys') return [where ? `${where}: ${issue.message}` : issue.message]
  const known = knownAt(place, options)
  return issue.keys.map((key) => {
    const near = nearMatch(key, known)
    const name = where ? `${where}.${key}` : key
    return `there is no '${name}' (${near ? `did you mean '${near}'?` : `known: ${known.join(', ')}`})`
  })
}

/** The names of an object's properties, for those objects that do not take any. */
function knownAt([first]: readonly PropertyKey[], options: readonly string[]): readonly string[] {
  if (first === 'cache') return Object.keys(cacheFields)
  if (first === 'profiles') return Object.keys(rangeFields)
  return options
}

function unreadable(path: string, reason: string, cause: unknown): ConfigError {
  return new ConfigError('CONFIG_UNREADABLE', {
    message: `Cannot read the configuration '${path}': ${reason}.`,
    remedy: 'Check the path and that the file holds one JSON object.',
    received: path,
    cause,
  })
}
