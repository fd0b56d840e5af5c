import { inspect } from 'node:util'

/**
 * Every error that lowlat throws on purpose is a {@link LowlatError}: a stable `code`, structured `details`, and a
 * message that says what was expected, what came, and what to do.
 */

export type ErrorCode =
  // what the caller passed
  | 'INVALID_ARGUMENT'
  | 'INPUT_UNKNOWN'
  | 'INPUT_MISSING'
  | 'INPUT_DTYPE'
  | 'INPUT_SHAPE'
  | 'INPUT_BYTE_LENGTH'
  | 'OUTPUT_UNKNOWN'
  | 'SHAPE_OUTSIDE_PROFILE'
  | 'PROFILE_INVALID'
  // models and plans
  | 'MODEL_NOT_FOUND'
  | 'MODEL_INVALID'
  | 'MODEL_UNSUPPORTED'
  | 'PRECISION_UNAVAILABLE'
  | 'QUANTIZATION_INEXACT'
  | 'ACCURACY_NOT_REACHED'
  | 'PLAN_INVALID'
  | 'PLAN_STALE'
  // images and data
  | 'IMAGE_EMPTY'
  | 'IMAGE_CORRUPT'
  | 'IMAGE_UNSUPPORTED'
  | 'IMAGE_TOO_LARGE'
  // backends and devices
  | 'BACKEND_UNKNOWN'
  | 'BACKEND_NOT_INSTALLED'
  | 'BACKEND_UNAVAILABLE'
  | 'WORKER_DIED'
  | 'RUN_FAILED'
  | 'OUT_OF_MEMORY'
  | 'DEVICE_LOST'
  // life of a request
  | 'QUEUE_FULL'
  | 'DEADLINE_EXCEEDED'
  | 'DEADLINE_UNREACHABLE'
  | 'ABORTED'
  | 'DISPOSED'
  // configuration
  | 'CONFIG_UNREADABLE'
  | 'CONFIG_INVALID'
  | 'KNOB_INVALID'

export interface ErrorFields {
  /** What went wrong, in one sentence that names what was expected and what came. */
  message: string
  /** What the caller can do about it; the last sentence of the message. */
  remedy: string
  /** What a valid value would have been, for programs. */
  expected?: unknown
  /** What was received instead, for programs. */
  received?: unknown
  /** Further structured facts (names, paths, counts). */
  details?: Readonly<Record<string, unknown>>
  cause?: unknown
}

/** Base of all errors of lowlat. Test `error.code` rather than the message: codes are stable, messages are prose. */
export class LowlatError extends Error {
  readonly code: ErrorCode
  readonly remedy: string
  readonly expected: unknown
  readonly received: unknown
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, fields: ErrorFields) {
    super(`${fields.message} ${fields.remedy}`.trim(), fields.cause === undefined ? undefined : { cause: fields.cause })
    this.code = code
    this.remedy = fields.remedy
    this.expected = fields.expected
    this.received = fields.received
    this.details = fields.details ?? {}
  }

  override get name(): string {
    return this.constructor.name
  }
}

/** A value that the caller passed does not fit: wrong name, dtype, shape, byte length or argument. */
export class InputError extends LowlatError {}

/** A model or a plan cannot be read, or holds something that the backend does not support. */
export class ModelError extends LowlatError {}

/** An image cannot be decoded, or is too large to decode safely. */
export class ImageError extends LowlatError {}

/** A backend is unknown, absent, broken, or failed while it worked. */
export class BackendError extends LowlatError {}

/** The bounded queue is full: the request was refused at once and did no work. */
export class QueueFullError extends LowlatError {
  constructor(fields: ErrorFields) {
    super('QUEUE_FULL', fields)
  }
}

/** The deadline passed, or provably cannot be met. */
export class DeadlineError extends LowlatError {}

/** The caller's AbortSignal fired. `name` is 'AbortError', as for every abortable API of the platform. */
export class AbortError extends LowlatError {
  constructor(fields: ErrorFields) {
    super('ABORTED', fields)
  }

  override get name(): string {
    return 'AbortError'
  }
}

/** The session, engine or pipeline was disposed before or during the call. */
export class DisposedError extends LowlatError {
  constructor(fields: ErrorFields) {
    super('DISPOSED', fields)
  }
}

/** A configuration file, option or knob does not validate. */
export class ConfigError extends LowlatError {}

/** True for errors of this family, also when they come from another copy of the package. */
export function isLowlatError(error: unknown, code?: ErrorCode): error is LowlatError {
  return (
    error instanceof Error &&
    'code' in error &&
    'remedy' in error &&
    typeof error.code === 'string' &&
    (code === undefined || error.code === code)
  )
}

/** What went wrong alone: the message of a LowlatError ends with its remedy. */
export function withoutRemedy({ message, remedy }: { readonly message: string; readonly remedy: string }): string {
  return message.endsWith(remedy) ? message.slice(0, message.length - remedy.length).trim() : message
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message
  return typeof error === 'string' ? error : describeValue(error)
}

const LONGEST_DESCRIPTION = 120

/** Any value in a few words, for messages: never throws and runs nothing of the value's own, unlike `String(value)`. */
export function describeValue(value: unknown): string {
  const options = { depth: 1, breakLength: Number.POSITIVE_INFINITY, maxArrayLength: 8, customInspect: false }
  const text = inspect(value, { ...options, maxStringLength: LONGEST_DESCRIPTION }).replace(/\s+/g, ' ')
  return text.length > LONGEST_DESCRIPTION ? `${text.slice(0, LONGEST_DESCRIPTION)}...` : text
}
